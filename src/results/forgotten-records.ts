import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { FleetNames } from "../queue/names.ts";

/**
 * What this process has lately put on record. A Redis that comes back as somebody else may have forgotten some of it, and
 * those rows are asked again with nothing in Redis that says so: they are counted here.
 */
export interface RecentRecords {
  note(batchId: string, rows: readonly number[]): void;
  /** Redis has come back under this name: waits until the owners have told it what is on disk, then counts. */
  countForgotten(incarnation: () => string): Promise<void>;
}

/** At least so long are they kept, until more come: Redis syncs its file every second, and a replica is seldom later. */
const keptMs = 3_000;
const lookEveryMs = 200;
const rebuildDeadlineMs = 60_000;

export function createRecentRecords(redis: Redis, names: FleetNames): RecentRecords {
  let [recent, older] = [new Map<string, number[]>(), new Map<string, number[]>()];
  let turnedMs = performance.now();

  /** Before gates let any of them pass, which they do a few seconds after the rebuild. */
  async function isRebuilt(batchId: string, incarnation: () => string): Promise<boolean> {
    const current = incarnation();
    const giveUpAtMs = performance.now() + rebuildDeadlineMs;
    while (performance.now() < giveUpAtMs && incarnation() === current) {
      if ((await redis.hget(names.batch(batchId).batch, "incarnation")) === current) return true;
      await sleep(lookEveryMs);
    }
    return false;
  }

  async function countIn(batchId: string, rows: readonly number[]): Promise<void> {
    const { batch, done, calls } = names.batch(batchId);
    const bits = await redis.getBuffer(done);
    const forgotten = rows.filter((row) => (((bits?.[row >> 3] ?? 0) >> (7 - (row & 7))) & 1) === 0);
    if (forgotten.length === 0) return;
    // Of a call that this Redis knows of the gate will see that it is made again.
    const known = await redis.hmget(calls, ...forgotten.map(String));
    await redis.hincrby(batch, "askedAgain", known.filter((call) => call === null).length);
  }

  return {
    note(batchId, rows) {
      const nowMs = performance.now();
      if (nowMs > turnedMs + keptMs) {
        [recent, older] = [new Map(), recent];
        turnedMs = nowMs;
      }
      const noted = recent.get(batchId);
      if (noted === undefined) recent.set(batchId, [...rows]);
      else noted.push(...rows);
    },
    async countForgotten(incarnation) {
      const batches = new Set([...older.keys(), ...recent.keys()]);
      const counting = [...batches].map(async (batchId) => {
        const rows = new Set([...(older.get(batchId) ?? []), ...(recent.get(batchId) ?? [])]);
        if (await isRebuilt(batchId, incarnation)) await countIn(batchId, [...rows]);
      });
      await Promise.all(counting);
    },
  };
}
