import type { Redis } from "ioredis";
import type { FleetNames } from "./names.ts";

/** Open batches whose rows wait because their owner does not beat, with the process that is waited for. */
export async function findSilentOwners(
  redis: Redis,
  names: FleetNames,
  timeoutMs: number,
): Promise<{ readonly batchId: string; readonly owner: string }[]> {
  const open = await redis.smembers(names.openBatches);
  if (open.length === 0) return [];
  const [seconds] = await redis.time();
  const silent: { readonly batchId: string; readonly owner: string }[] = [];
  for (const batchId of open) {
    const owner = await redis.hget(names.batch(batchId).batch, "owner");
    if (owner === null) continue;
    const beatMs = Number((await redis.zscore(names.processes, owner)) ?? 0);
    if (beatMs < Number(seconds) * 1_000 - timeoutMs) silent.push({ batchId, owner });
  }
  return silent;
}
