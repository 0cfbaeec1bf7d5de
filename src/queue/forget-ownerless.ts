import type { Redis } from "ioredis";
import type { BatchClaims } from "./claim-batch.ts";
import type { FleetNames } from "./names.ts";

/** Ids of batches without a file begin so. */
export const livePrefix = "live-";

/**
 * Ends batches without a file whose process is gone for good, as nobody can come back for their rows: without this each
 * process that is killed would leave its payloads and results in Redis for ever. A process that was only frozen for
 * that long finds its batch ended and claims it again.
 */
export async function forgetOwnerless(redis: Redis, names: FleetNames, claims: BatchClaims): Promise<void> {
  const open = await redis.smembers(names.openBatches);
  for (const batchId of open.filter((id) => id.startsWith(livePrefix))) {
    const owner = await redis.hget(names.batch(batchId).batch, "owner");
    // The heartbeats drop a process that has long been silent.
    if (owner !== null && (await redis.zscore(names.processes, owner)) !== null) continue;
    await claims.setState(batchId, "open", "ended");
    await claims.forget(batchId);
  }
}
