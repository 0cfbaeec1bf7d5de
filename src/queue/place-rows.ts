import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { JobLabels } from "../job/batch.ts";
import { messageOf } from "../job/errors.ts";
import type { RowVotes } from "../job/row-votes.ts";
import { type FleetNames, jobIdOf } from "./names.ts";
import { redisScript } from "./redis-script.ts";
import type { TierQueues } from "./tier-queues.ts";

/** A row on its way into the window. */
export interface RowToPlace {
  readonly row: number;
  readonly task: string | null;
  /** Aliases, and the tier of each, in the order of the route. */
  readonly route: readonly string[];
  readonly tiers: readonly string[];
  /** What it waits in line for; default: its first tier. A model with limits of its own must not hold up others. */
  readonly lane?: string;
  readonly payload: string;
  /** Several models are asked: its votes are placed in its stead. */
  readonly votes?: RowVotes | undefined;
  /** It may have been placed before (resume, sweep, rebuild): it gets a new hop, so that BullMQ takes its job. */
  readonly again: boolean;
}

export interface BatchPlace {
  readonly batchId: string;
  readonly generation: number;
  readonly epoch: number;
}

/** Raised when another process has taken the batch over: this owner must stop writing. */
export class OwnershipLost extends Error {
  override readonly name = "OwnershipLost";
}

/**
 * Payloads first, then jobs: a job without its payload would find nothing to ask, a payload without its job is found by
 * the owner's sweep.
 * @param rowsPerJob for a tier: rows placed for the first time share a job in groups of up to this many.
 * @returns for each row the row by which its job is named, or undefined when it is already recorded.
 * @throws OwnershipLost
 */
export type PlaceRows = (
  place: BatchPlace,
  rows: readonly RowToPlace[],
  rowsPerJob: (tier: string) => number,
) => Promise<(number | undefined)[]>;

/** Answers of a Redis that takes nothing new for now; connections that are lost are waited for by ioredis. */
const refusedForNow = /^(OOM|MISCONF|LOADING|READONLY|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|NOREPLICAS)/;
const refusedRetryMs = 500;

/**
 * @param tooFull why nothing may be placed for now.
 * @param onTrouble told of each refusal, and `undefined` when rows pass again.
 */
export function createPlaceRows(
  redis: Redis,
  names: FleetNames,
  queues: TierQueues,
  tooFull: () => string | undefined,
  onTrouble: (reason: string | undefined) => void,
): PlaceRows {
  const placeOnce = createPlaceOnce(redis, names, queues);
  return async (place, rows, rowsPerJob) => {
    let refused = false;
    async function wait(reason: string): Promise<void> {
      refused = true;
      onTrouble(reason);
      await sleep(refusedRetryMs);
    }
    for (;;) {
      for (let full = tooFull(); full !== undefined; full = tooFull()) await wait(full);
      try {
        const named = await placeOnce(place, rows, rowsPerJob);
        if (refused) onTrouble(undefined);
        return named;
      } catch (error) {
        // What a refused placing left behind is found again under the same hop and job id.
        if (!refusedForNow.test(messageOf(error))) throw error;
        await wait(messageOf(error));
      }
    }
  };
}

function createPlaceOnce(redis: Redis, names: FleetNames, queues: TierQueues): PlaceRows {
  const script = redisScript(redis, new URL("./feed.lua", import.meta.url), 4);
  return async ({ batchId, generation, epoch }, rows, rowsPerJob) => {
    const keys = names.batch(batchId);
    const args: (string | number)[] = [epoch];
    for (const row of rows) args.push(row.row, row.payload, row.again ? "1" : "0");
    const placings = (await script([keys.batch, keys.done, keys.payloads, keys.moves], args)) as string[] | null;
    if (placings === null) throw new OwnershipLost(`batch ${batchId} has another owner`);
    const jobsByTier = new Map<string, GrowingJob[]>();
    // Rows of several models may take turns in the input: each kind of row has a job that grows.
    const growing = new Map<string, GrowingJob>();
    const named = rows.map((row, order) => {
      const placing = placings[order]!;
      if (placing === "") return undefined;
      const [hop, position] = placing.split(":").map(Number) as [number, number];
      const usedPosition = Math.min(position, row.route.length - 1);
      const tier = row.tiers[usedPosition]!;
      let jobs = jobsByTier.get(tier);
      if (jobs === undefined) {
        jobs = [];
        jobsByTier.set(tier, jobs);
      }
      const model = row.route[usedPosition]!;
      const kind = `${tier}\n${model}\n${row.task ?? ""}`;
      const last = hop === 0 ? growing.get(kind) : undefined;
      if (last !== undefined && last.rows.length < rowsPerJob(tier)) {
        last.rows.push(row.row);
        return last.rows[0];
      }
      const job = { rows: [row.row], hop, task: row.task, model };
      jobs.push(job);
      if (hop === 0) growing.set(kind, job);
      return row.row;
    });
    await Promise.all(
      [...jobsByTier].map(([tier, jobs]) =>
        queues.of(tier).addBulk(
          jobs.map(({ rows: together, hop, task, model }) => {
            const labels = { batch: batchId, row: together[0]!, generation, hop, task, model };
            return jobOf(together.length === 1 ? labels : { ...labels, rows: together });
          }),
        ),
      ),
    );
    return named;
  };
}

interface GrowingJob {
  readonly rows: number[];
  readonly hop: number;
  readonly task: string | null;
  readonly model: string;
}

function jobOf(labels: JobLabels) {
  return {
    name: labels.task ?? labels.model,
    data: labels,
    opts: { jobId: jobIdOf(labels.batch, labels.row, labels.generation, labels.hop) },
  };
}

/** Queues one row at its hop; does nothing when that job exists. */
export async function placeHop(queues: TierQueues, tier: string, labels: JobLabels): Promise<void> {
  const { name, data, opts } = jobOf(labels);
  await queues.of(tier).add(name, data, opts);
}
