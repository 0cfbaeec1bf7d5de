import { hostname } from "node:os";
import { dirname } from "node:path";
import type { Redis } from "ioredis";
import { diskOf } from "../config/folder-watch.ts";
import type { BatchClaims } from "./claim-batch.ts";
import type { FleetNames } from "./names.ts";

/** Ids of batches without a file begin so. */
export const livePrefix = "live-";

/**
 * Ends batches that nobody can come back for, as their payloads and results would lie in Redis for ever: those without a
 * file whose process is gone for good, and those of this host whose files somebody removed. Where the disk is away their
 * last answers lie in Redis alone, and are kept. A process that was only frozen for that long finds its batch ended and
 * claims it again.
 * @param hasFiles whether the state of an unfinished run lies beside this output.
 */
export async function forgetOwnerless(
  redis: Redis,
  names: FleetNames,
  claims: BatchClaims,
  hasFiles: (outputPath: string) => boolean,
): Promise<void> {
  for (const batchId of await redis.smembers(names.openBatches)) {
    const told = await redis.hmget(names.batch(batchId).batch, "owner", "host", "outputPath", "disk");
    const [owner, host, outputPath, disk] = told;
    const isLive = batchId.startsWith(livePrefix);
    if (!isLive && (host !== hostname() || outputPath == null || hasFiles(outputPath))) continue;
    if (disk != null && disk !== "" && disk !== String(diskOf(dirname(outputPath!)))) continue;
    // The heartbeats drop a process that has long been silent.
    if (owner != null && (await redis.zscore(names.processes, owner)) !== null) continue;
    await claims.setState(batchId, "open", "ended");
    await claims.forget(batchId);
  }
}
