import type { Redis } from "ioredis";
import type { FleetNames } from "../queue/names.ts";
import type { RunningPool } from "./run-pool.ts";

/** Tells each pool whether somebody has paused its queue: BullMQ then just claims nothing. One round trip a heartbeat. */
export async function notePausedQueues(
  redis: Redis,
  names: FleetNames,
  pools: ReadonlyMap<string, RunningPool>,
): Promise<void> {
  const all = [...pools];
  if (all.length === 0) return;
  const pipeline = redis.pipeline();
  for (const [tier] of all) pipeline.hexists(names.queue(tier).meta, "paused");
  const answers = await pipeline.exec();
  all.forEach(([, { pool }], at) => {
    const [error, isPaused] = answers?.[at] ?? [];
    if (!error) pool.noteQueuePaused(isPaused === 1);
  });
}
