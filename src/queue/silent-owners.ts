import type { Redis } from "ioredis";
import { isVotesBatch } from "../job/consensus.ts";
import type { FleetNames } from "./names.ts";

export interface SilentOwner {
  readonly batchId: string;
  readonly pid: string;
  /** Undefined for a batch without files: it ends with its process. */
  readonly host: string | undefined;
}

/** Open batches whose rows wait because their owner does not beat, with the process that is waited for. */
export async function findSilentOwners(redis: Redis, names: FleetNames, timeoutMs: number): Promise<SilentOwner[]> {
  const open = await redis.smembers(names.openBatches);
  if (open.length === 0) return [];
  const [seconds] = await redis.time();
  const silent: SilentOwner[] = [];
  for (const batchId of open) {
    // They have the owner of their batch.
    if (isVotesBatch(batchId)) continue;
    const [owner, host] = await redis.hmget(names.batch(batchId).batch, "owner", "host");
    if (owner == null) continue;
    const beatMs = Number((await redis.zscore(names.processes, owner)) ?? 0);
    if (beatMs < Number(seconds) * 1_000 - timeoutMs)
      silent.push({ batchId, pid: owner.split("-")[0]!, host: host ?? undefined });
  }
  return silent;
}
