import type { Fleet } from "../fleet.ts";
import { paceFields, type QuotaScopeOfTier, type QuotaState, readQuota } from "./quota-use.ts";

/** What Redis says of a fleet. */
export interface FleetFacts {
  readonly queues: ReadonlyMap<string, QueueFacts>;
  readonly quotas: readonly QuotaState[];
  readonly memory: { readonly usedBytes: number; readonly maxBytes: number };
}

export interface QueueFacts {
  readonly jobsWaiting: number;
  readonly jobsActive: number;
  readonly isPaused: boolean;
}

const commandsPerQueue = 5;

/** One round trip. */
export async function readFleetFacts(
  { redis, names }: Pick<Fleet, "redis" | "names">,
  tiers: readonly string[],
  scopes: readonly QuotaScopeOfTier[],
): Promise<FleetFacts> {
  const pipeline = redis.pipeline().time().info("memory");
  for (const tier of tiers) {
    const keys = names.queue(tier);
    pipeline.llen(keys.wait).zcard(keys.prioritized).zcard(keys.delayed).llen(keys.active);
    pipeline.hexists(keys.meta, "paused");
  }
  for (const { scope } of scopes) pipeline.hmget(names.pace(scope), ...paceFields);
  const answers = (await pipeline.exec())!.map(([error, answer]) => {
    if (error !== null) throw error;
    return answer;
  });
  const [time, info, ...rest] = answers as [[string, string], string, ...unknown[]];
  const nowMs = Number(time[0]) * 1_000 + Number(time[1]) / 1_000;
  const ofScopes = rest.slice(tiers.length * commandsPerQueue) as (string | null)[][];
  return {
    queues: new Map(
      tiers.map((tier, at) => {
        const start = at * commandsPerQueue;
        const [wait, prioritized, delayed, active, paused] = rest.slice(start, start + commandsPerQueue) as number[];
        return [tier, { jobsWaiting: wait! + prioritized! + delayed!, jobsActive: active!, isPaused: paused === 1 }];
      }),
    ),
    quotas: scopes.map((scope, at) => readQuota(scope, ofScopes[at]!, nowMs)),
    memory: { usedBytes: bytesOf(info, "used_memory"), maxBytes: bytesOf(info, "maxmemory") },
  };
}

const bytesOf = (info: string, name: string): number => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
