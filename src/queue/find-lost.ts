import type { Redis } from "ioredis";
import { type FleetNames, jobIdOf } from "./names.ts";
import type { BatchPlace } from "./place-rows.ts";
import type { TierQueues } from "./tier-queues.ts";
import type { FedRow } from "./window.ts";

/** How often an owner looks for them. */
export const sweepEveryMs = 5_000;
const lostAfterMs = 15_000;
const mostPerSweep = 1_000;

/** Rows that were fed so long ago that it is worth a look whether a queue still holds them. */
export function suspectRows<Fed extends Pick<FedRow, "tiers" | "fedAtMs">>(
  fedRows: ReadonlyMap<number, Fed>,
): Map<number, Fed> {
  const fedBeforeMs = performance.now() - lostAfterMs;
  const suspects = new Map<number, Fed>();
  for (const [row, fed] of fedRows) {
    if (suspects.size >= mostPerSweep) break;
    // A row that its owner records itself is in no queue.
    if (fed.tiers.length > 0 && fed.fedAtMs < fedBeforeMs) suspects.set(row, fed);
  }
  return suspects;
}

/**
 * Of rows that were fed, those that no queue holds any more: their job was removed by hand, was dropped by a gate that
 * did not yet know the owner, or was never added. The owner feeds them again.
 * @param rows as the window knows them.
 */
export async function findLostRows(
  redis: Redis,
  names: FleetNames,
  queues: TierQueues,
  { batchId, generation }: BatchPlace,
  rows: ReadonlyMap<number, Pick<FedRow, "tiers" | "jobRow">>,
): Promise<number[]> {
  if (rows.size === 0) return [];
  const order = [...rows.keys()];
  const moves = await redis.hmget(names.batch(batchId).moves, ...order.map(String));
  const pipeline = redis.pipeline();
  order.forEach((row, at) => {
    const [hop, , position] = (moves[at] ?? "0:0:0").split(":").map(Number) as [number, number, number];
    const { tiers, jobRow } = rows.get(row)!;
    const tier = tiers[Math.min(position, tiers.length - 1)]!;
    pipeline.hmget(
      queues.of(tier).toKey(jobIdOf(batchId, hop === 0 ? jobRow : row, generation, hop)),
      "timestamp",
      "finishedOn",
    );
  });
  const replies = (await pipeline.exec()) ?? [];
  return order.filter((_row, at) => {
    const [error, fields] = replies[at] ?? [new Error("no reply"), null];
    if (error !== null) return false;
    const [timestamp, finishedOn] = fields as [string | null, string | null];
    return timestamp === null || finishedOn !== null;
  });
}
