import type { Redis } from "ioredis";
import type { FleetNames } from "../queue/names.ts";
import { redisScript } from "../queue/redis-script.ts";
import { horizonMs, type QuotaNews } from "./pace.ts";

/** Tells every gate of the fleet. What is lost with a connection is said again by the next answer. */
export function createQuotaReporter(redis: Redis, names: FleetNames): (scope: string, news: QuotaNews) => void {
  const script = redisScript(redis, new URL("./quota-report.lua", import.meta.url), 1);
  return (scope, { limits, pauseMs, reason }) => {
    const args = limits.flatMap(([name, { perMinute, left }]) => [name, perMinute, left]);
    script([names.pace(scope)], [pauseMs, reason, horizonMs, ...args]).catch(() => {});
  };
}
