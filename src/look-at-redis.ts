import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { redisUrl } from "./config/environment.ts";
import { nearestFolder } from "./config/network-disk.ts";
import { type RedisFacts, readRedisFacts } from "./inspect/redis-facts.ts";
import { messageOf } from "./job/errors.ts";
import { createLatencies, type Latencies } from "./job/latency.ts";
import { findRedisBinary, joinRedis, refuseNetworkDisk } from "./join-redis.ts";
import { shareLatencies } from "./pool/share-latencies.ts";
import { checkRedis, connectRedis, describeAddress, type RedisAddress } from "./queue/connection.ts";
import { findEmbeddedRedis, unusableDirectory } from "./queue/embedded-redis.ts";
import { fleetNames } from "./queue/names.ts";
import { openTierQueues } from "./queue/tier-queues.ts";

export interface QueueCounts {
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
}

/** A Redis as a fleet would find it. */
export interface RedisLook {
  /** Its address without a password; the redis-server that an embedded one would be; or what was looked for. */
  readonly where: string;
  readonly kind: "given" | "embedded" | "embedded-not-running";
  readonly facts?: RedisFacts;
  readonly latencyMs?: number;
  /** By tier. */
  readonly queues: Readonly<Record<string, QueueCounts>>;
  /** Why it cannot be used, with what to do. */
  readonly problem?: string;
}

const pings = 10;

/** Looks at the Redis of the flag or of REDIS_URL, else at the embedded one while it runs. Starts and changes nothing. */
export async function lookAtRedis(
  where: { readonly url: string | undefined; readonly dataDirectory: string },
  fleet: string,
  tiers: readonly string[],
): Promise<RedisLook> {
  const url = redisUrl(where.url);
  const address: RedisAddress | undefined = url === undefined ? await findEmbeddedRedis(where.dataDirectory) : { url };
  const nothing = { queues: {} };
  if (address === undefined) {
    try {
      refuseNetworkDisk(where.dataDirectory);
      refuseUnusable(where.dataDirectory);
      return { ...nothing, where: (await findRedisBinary()).path, kind: "embedded-not-running" };
    } catch (error) {
      return { ...nothing, where: "no redis-server", kind: "embedded-not-running", problem: messageOf(error) };
    }
  }
  const described = { where: describeAddress(address), kind: url === undefined ? "embedded" : "given" } as const;
  try {
    await checkRedis(address);
  } catch (error) {
    return { ...nothing, ...described, problem: messageOf(error) };
  }
  return { ...described, ...(await ask(address, fleet, tiers)) };
}

/** @throws UserError when the embedded Redis could not be started there. */
function refuseUnusable(dataDirectory: string): void {
  try {
    accessSync(nearestFolder(join(dataDirectory, "redis")), constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unusableDirectory(dataDirectory, error);
  }
}

async function ask(address: RedisAddress, fleet: string, tiers: readonly string[]) {
  const redis = connectRedis(address, "doctor");
  const names = fleetNames(fleet);
  const queues = openTierQueues(redis, names);
  try {
    const info = await redis.info();
    // Hosted servers refuse CONFIG.
    const save = await redis.config("GET", "save").catch(() => ["save", ""]);
    const startedMs = performance.now();
    for (let ping = 0; ping < pings; ping++) await redis.ping();
    const latencyMs = (performance.now() - startedMs) / pings;
    const counts: Record<string, QueueCounts> = {};
    for (const tier of tiers) {
      const { wait = 0, active = 0, delayed = 0 } = await queues.of(tier).getJobCounts("wait", "active", "delayed");
      counts[tier] = { waiting: wait, active, delayed };
    }
    return {
      facts: readRedisFacts(info, (save as string[])[1] ?? ""),
      latencyMs: Math.round(latencyMs * 100) / 100,
      queues: counts,
    };
  } finally {
    await queues.close();
    redis.disconnect();
  }
}

/** What the fleet measured up to now. Starts the embedded Redis for it when none runs, and lets it go again. */
export async function readLatencies(
  where: { readonly url: string | undefined; readonly dataDirectory: string },
  fleet: string,
): Promise<Latencies> {
  const joined = await joinRedis(where);
  try {
    return await learnLatencies(joined.address, fleet);
  } finally {
    await joined.leave();
  }
}

/** The same if its Redis runs now; undefined when it does not. Starts nothing. */
export async function readLatenciesIfThere(
  where: { readonly url: string | undefined; readonly dataDirectory: string },
  fleet: string,
): Promise<Latencies | undefined> {
  const url = redisUrl(where.url);
  const address = url === undefined ? await findEmbeddedRedis(where.dataDirectory) : { url };
  if (address === undefined) return undefined;
  try {
    await checkRedis(address);
  } catch {
    return undefined;
  }
  return learnLatencies(address, fleet);
}

async function learnLatencies(address: RedisAddress, fleet: string): Promise<Latencies> {
  const latencies = createLatencies();
  const redis = connectRedis(address, "models");
  try {
    await shareLatencies(redis, fleetNames(fleet), latencies)();
  } finally {
    redis.disconnect();
  }
  return latencies;
}
