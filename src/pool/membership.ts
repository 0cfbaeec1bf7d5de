import type { Redis } from "ioredis";
import { processTimeoutMs } from "../job/heartbeat.ts";
import type { FleetNames } from "../queue/names.ts";
import { redisScript } from "../queue/redis-script.ts";
import type { ProcessNotice } from "./process-notice.ts";
import type { SizeMember } from "./sized-endpoints.ts";

export interface Membership {
  /** Beats once; resolves when Redis knows that this process lives. */
  beat(): Promise<void>;
  /** Living processes that work a tier, this one included when it does; by their last beat. */
  membersOf(tier: string): readonly string[];
  /** The same, with what they said of their sizes there. */
  sizesOf(tier: string): readonly SizeMember[];
  /** What each living process said at its last beat, by its id. */
  living(): ReadonlyMap<string, ProcessNotice>;
  /** Declares every other process dead: for the only client of an embedded Redis, right after a SIGKILL. */
  buryOthers(): Promise<void>;
  /** Stops beating and signs off. */
  leave(): Promise<void>;
}

/**
 * This process' heartbeat. What a silent process held is taken up by others after `processTimeoutMs`.
 * @param say what it says of itself, the tiers that it works right now among it.
 * @param onBeat told after each beat, when the living may have changed.
 */
export function createMembership(
  redis: Redis,
  names: FleetNames,
  processId: string,
  say: () => ProcessNotice,
  onBeat: () => void,
): Membership {
  const script = redisScript(redis, new URL("./heartbeat.lua", import.meta.url), 2);
  let living = new Map<string, ProcessNotice>();
  let left = false;

  async function beat(): Promise<void> {
    const reply = (await script(
      [names.processes, names.pools],
      [processId, JSON.stringify(say()), processTimeoutMs],
    )) as string[];
    if (left) return;
    living = new Map();
    for (let at = 0; at < reply.length; at += 2) living.set(reply[at]!, JSON.parse(reply[at + 1]!));
    onBeat();
  }

  function sizesOf(tier: string): SizeMember[] {
    return [...living].flatMap(([process, { tiers }]) => {
      const notice = tiers[tier];
      return notice === undefined ? [] : [{ process, notices: notice.sizes }];
    });
  }

  const timer = setInterval(() => void beat().catch(() => {}), processTimeoutMs / 4);
  return {
    beat,
    membersOf: (tier) => sizesOf(tier).map(({ process }) => process),
    sizesOf,
    living: () => living,
    async buryOthers() {
      const all = await redis.zrange(names.processes, "0", "-1");
      const others = all.filter((process) => process !== processId);
      if (others.length === 0) return;
      await redis.zrem(names.processes, ...others);
      await redis.hdel(names.pools, ...others);
    },
    async leave() {
      left = true;
      clearInterval(timer);
      if (redis.status !== "ready") return;
      await redis.zrem(names.processes, processId);
      await redis.hdel(names.pools, processId);
    },
  };
}

/** What each of several processes may have of a tier's slots: as even as can be, the first in order get the rest. */
export function shareOf(processId: string, members: readonly string[], slots: number): number {
  const place = members.indexOf(processId);
  if (place === -1 || members.length <= 1) return slots;
  return Math.floor(slots / members.length) + (place < slots % members.length ? 1 : 0);
}
