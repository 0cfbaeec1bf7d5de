import type { Redis } from "ioredis";
import { onTestFinished } from "vitest";
import type { JobLabels, RowAction, Settlement } from "../../src/job/batch.ts";
import { createGate, type Terms, type Verdict } from "../../src/pool/gate.ts";
import { createMembership, type Membership } from "../../src/pool/membership.ts";
import type { TierNotice } from "../../src/pool/process-notice.ts";
import { type BatchClaims, type ClaimRequest, createBatchClaims } from "../../src/queue/claim-batch.ts";
import { connectRedis, readIncarnation } from "../../src/queue/connection.ts";
import { type BatchNames, type FleetNames, fleetNames } from "../../src/queue/names.ts";
import { createPlaceRows, type PlaceRows, type RowToPlace } from "../../src/queue/place-rows.ts";
import { openTierQueues, type TierQueues } from "../../src/queue/tier-queues.ts";
import { createRecorder } from "../../src/results/record-once.ts";
import type { TestRedis } from "./redis-server.ts";

export const idleTier: TierNotice = {
  sizes: [],
  running: 0,
  slots: 1,
  answered: 0,
  erred: 0,
  endpoints: 1,
  endpointsDown: 0,
};

/** One process of a fleet, as far as the scripts know it. */
export interface GivenProcess {
  readonly id: string;
  readonly membership: Membership;
  gate(row: number, place?: { hop?: number; generation?: number; call?: number; pace?: Terms }): Promise<Verdict>;
  record(row: number, call: number, line: string, generation?: number): Promise<boolean>;
  act(row: number, call: number, action: RowAction, generation?: number, pace?: Settlement): Promise<boolean>;
}

/** A fleet with one open batch, whose owner is the process `owner`; the scripts are the real ones. */
export interface GivenBatch {
  readonly redis: Redis;
  readonly fleet: string;
  readonly names: FleetNames;
  readonly keys: BatchNames;
  readonly queues: TierQueues;
  readonly claims: BatchClaims;
  readonly incarnation: string;
  readonly owner: GivenProcess;
  readonly epoch: number;
  /** What refused a script for now, newest last. */
  readonly troubles: (string | undefined)[];
  join(id: string, incarnation?: string): Promise<GivenProcess>;
  claim(change?: Partial<ClaimRequest>): Promise<{
    readonly epoch: number;
    readonly placedBefore: ReadonlySet<number>;
  }>;
  /** Feeds rows to the tier `lab` as the owner. */
  feed(rows: readonly number[], options?: { again?: boolean; epoch?: number }): Promise<(number | undefined)[]>;
  /** Redis has, or has no longer, too little room to be fed. */
  setTooFull(reason: string | undefined): void;
  /** Tells recorders that Redis may have come back without what it knew. */
  expectRebuild(expected: boolean): void;
  results(): Promise<{ readonly row: number; readonly line: string }[]>;
}

export const batchId = "b1";

export function rowToPlace(row: number, again = false): RowToPlace {
  return {
    row,
    task: "simple",
    route: ["small", "large"],
    tiers: ["lab", "cloud"],
    payload: payloadOf(row),
    again,
  };
}

export const payloadOf = (row: number): string => JSON.stringify({ id: `r${row}`, route: ["small", "large"] });

export async function givenBatch(server: TestRedis): Promise<GivenBatch> {
  const fleet = server.newFleetName();
  const names = fleetNames(fleet);
  const redis = connectRedis(server.address, "test");
  const queues = openTierQueues(redis, names);
  const claims = createBatchClaims(redis, names);
  const incarnation = await readIncarnation(redis);
  const memberships: Membership[] = [];
  const troubles: (string | undefined)[] = [];
  let rebuilding = false;
  let tooFull: string | undefined;
  const watch = { current: () => incarnation, mayBeRebuilt: () => rebuilding, on() {} };
  const noteTrouble = (reason: string | undefined) => void troubles.push(reason);
  onTestFinished(async () => {
    await Promise.all(memberships.map((membership) => membership.leave()));
    await queues.close();
    redis.disconnect();
  });

  async function join(id: string, knownIncarnation = incarnation): Promise<GivenProcess> {
    const membership = createMembership(
      redis,
      names,
      id,
      () => ({ tiers: { lab: idleTier }, failures: [], rows: {} }),
      () => {},
    );
    memberships.push(membership);
    await membership.beat();
    const gate = createGate(redis, names, id, () => knownIncarnation, noteTrouble);
    const record = createRecorder(redis, names, id, watch, noteTrouble);
    const act: GivenProcess["act"] = (row, call, action, generation = 0, pace = undefined) =>
      record(batchId, { row, generation, call: call === 0 ? "" : `${id} ${call}`, action, settlement: pace });
    return {
      id,
      membership,
      gate(row, { hop = 0, generation = 0, call = 1, pace } = {}) {
        const job: JobLabels = { batch: batchId, row, generation, hop, task: "simple", model: "small" };
        return gate(job, call, pace);
      },
      record: (row, call, line, generation) => act(row, call, { kind: "record", line }, generation),
      act,
    };
  }

  const owner = await join("owner");
  const claim: GivenBatch["claim"] = (change = {}) =>
    claims.claim({
      batchId,
      processId: owner.id,
      lowestEpoch: 1,
      generation: 0,
      incarnation,
      models: {},
      storedBitmap: Buffer.alloc(0),
      ...change,
    });
  const { epoch } = await claim();
  const placeRows: PlaceRows = createPlaceRows(redis, names, queues, () => tooFull, noteTrouble);
  const keys = names.batch(batchId);

  return {
    redis,
    fleet,
    names,
    keys,
    queues,
    claims,
    incarnation,
    owner,
    epoch,
    troubles,
    join,
    claim,
    feed: (rows, options = {}) =>
      placeRows(
        { batchId, generation: 0, epoch: options.epoch ?? epoch },
        rows.map((row) => rowToPlace(row, options.again)),
        () => 1,
      ),
    setTooFull(reason) {
      tooFull = reason;
    },
    expectRebuild(expected) {
      rebuilding = expected;
    },
    async results() {
      const entries = await redis.xrange(keys.results, "-", "+");
      return (entries as [string, string[]][]).flatMap(([, fields]) =>
        Array.from({ length: fields.length / 2 }, (_, at) => ({
          row: Number(fields[2 * at]),
          line: fields[2 * at + 1]!,
        })),
      );
    },
  };
}
