import type { Redis } from "ioredis";
import type { Latencies } from "../job/latency.ts";
import type { FleetNames } from "../queue/names.ts";
import { redisScript } from "../queue/redis-script.ts";

/** A measurement counts half after this long. */
const halfLifeMs = 600_000;

/** Tells the fleet what was measured here and learns what all have measured, in one round trip. */
export function shareLatencies(redis: Redis, names: FleetNames, latencies: Latencies): () => Promise<void> {
  const script = redisScript(redis, new URL("./latency.lua", import.meta.url), 1);
  return async () => {
    const noted = [...latencies.takeNoted()].flatMap(([alias, { calls, totalMs }]) => [alias, calls, totalMs]);
    const reply = (await script([names.latencies], [halfLifeMs, ...noted])) as string[];
    const means = new Map<string, number>();
    for (let at = 0; at < reply.length; at += 2) means.set(reply[at]!, Number(reply[at + 1]));
    latencies.learn(means);
  };
}
