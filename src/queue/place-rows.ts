import type { Redis } from "ioredis";
import type { JobLabels } from "../job/batch.ts";
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
  readonly payload: string;
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
 * @returns for each row the position of the route it was queued at, or undefined when it is already recorded.
 * @throws OwnershipLost
 */
export type PlaceRows = (place: BatchPlace, rows: readonly RowToPlace[]) => Promise<(number | undefined)[]>;

export function createPlaceRows(redis: Redis, names: FleetNames, queues: TierQueues): PlaceRows {
  const script = redisScript(redis, new URL("./feed.lua", import.meta.url), 4);
  return async ({ batchId, generation, epoch }, rows) => {
    const keys = names.batch(batchId);
    const args: (string | number)[] = [epoch];
    for (const row of rows) args.push(row.row, row.payload, row.again ? "1" : "0");
    const placings = (await script([keys.batch, keys.done, keys.payloads, keys.moves], args)) as string[] | null;
    if (placings === null) throw new OwnershipLost(`batch ${batchId} has another owner`);
    const jobsByTier = new Map<string, Parameters<ReturnType<TierQueues["of"]>["addBulk"]>[0]>();
    const positions = rows.map((row, order) => {
      const placing = placings[order]!;
      if (placing === "") return undefined;
      const [hop, position] = placing.split(":").map(Number) as [number, number];
      const usedPosition = Math.min(position, row.route.length - 1);
      const tier = row.tiers[usedPosition]!;
      const job = jobOf({
        batch: batchId,
        row: row.row,
        generation,
        hop,
        task: row.task,
        model: row.route[usedPosition]!,
      });
      const jobs = jobsByTier.get(tier);
      if (jobs === undefined) jobsByTier.set(tier, [job]);
      else jobs.push(job);
      return usedPosition;
    });
    await Promise.all([...jobsByTier].map(([tier, jobs]) => queues.of(tier).addBulk(jobs)));
    return positions;
  };
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
