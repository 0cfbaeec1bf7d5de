import type { Redis } from "ioredis";
import type { Meter } from "../job/meter.ts";
import type { FleetNames } from "../queue/names.ts";
import { redisScript } from "../queue/redis-script.ts";

/**
 * Adds what was counted here to the fleet's sums, in one round trip. Only what came to them is told, so that nobody has
 * to keep what a process had counted that is gone: sums never fall.
 */
export function shareMetrics(redis: Redis, names: FleetNames, meter: Meter): () => Promise<void> {
  const script = redisScript(redis, new URL("./metrics.lua", import.meta.url), 1);
  let isTelling = false;
  return async () => {
    if (isTelling) return;
    const taken = meter.take();
    if (taken.size === 0) return;
    isTelling = true;
    try {
      await script([names.metrics], [...taken].flat());
    } catch (error) {
      meter.giveBack(taken);
      throw error;
    } finally {
      isTelling = false;
    }
  };
}

/** The fleet's sums. */
export async function readMetrics(redis: Redis, names: FleetNames): Promise<ReadonlyMap<string, number>> {
  const fields = await redis.hgetall(names.metrics);
  return new Map(Object.entries(fields).map(([field, sum]) => [field, Number(sum)]));
}
