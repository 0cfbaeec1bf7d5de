import { Redis, type RedisOptions } from "ioredis";
import { messageOf, UserError } from "../job/errors.ts";

/** Where Redis is: a URL (`redis://`, `rediss://`) or the path of a unix socket. */
export type RedisAddress =
  | {
      readonly url: string;
      /** Private rows go through it: nothing is said to a server whose address is none of these. */
      readonly mayConnectTo?: (address: string) => boolean;
    }
  | { readonly socketPath: string };

const reconnectDelayMs = (attempt: number) => Math.min(50 * 2 ** Math.min(attempt, 6), 1_000);

function open(address: RedisAddress, options: Omit<RedisOptions, "replyMapping">): Redis {
  return "url" in address ? new Redis(address.url, options) : new Redis(address.socketPath, options);
}

/**
 * A connection that never gives up: commands wait through an outage and are sent again after it. Scripts of this program
 * gather what one turn of the event loop asks themselves (coalesce.ts) and must not share it with BullMQ: its packed
 * options are binary, and ioredis then turns every command of the same write into buffers.
 */
export function connectRedis(address: RedisAddress, purpose: string, enableAutoPipelining = false): Redis {
  const redis = open(address, {
    connectionName: `promptfleet-${purpose}`,
    maxRetriesPerRequest: null,
    retryStrategy: reconnectDelayMs,
    enableAutoPipelining,
  });
  // Without a listener ioredis prints every failed reconnection to the console; the state is shown by the display.
  redis.on("error", () => {});
  if ("url" in address && address.mayConnectTo !== undefined) holdTo(redis, address.mayConnectTo);
  return redis;
}

/** A name may lead elsewhere when it is connected to again: then it counts as away. Commands wait until it is ready. */
function holdTo(redis: Redis, mayConnectTo: (address: string) => boolean): void {
  redis.on("connect", () => {
    const { stream } = redis;
    const address = (stream as { remoteAddress?: string }).remoteAddress;
    if (address === undefined || !mayConnectTo(address)) stream.destroy();
  });
}

/** How an address is named in messages: never with its password. */
export function describeAddress(address: RedisAddress): string {
  if ("socketPath" in address) return address.socketPath;
  try {
    const url = new URL(address.url);
    return `${url.protocol}//${url.host}${url.pathname === "/" ? "" : url.pathname}`;
  } catch {
    return "the given Redis URL";
  }
}

/**
 * Connects once and checks that this Redis can carry a fleet.
 * @throws UserError when it is not there, wants a password, is too old or may evict keys.
 */
export async function checkRedis(address: RedisAddress): Promise<void> {
  const where = describeAddress(address);
  if ("url" in address && !/^rediss?:\/\//.test(address.url)) {
    throw new UserError(
      `expected a Redis URL such as redis://127.0.0.1:6379, found ${where}; mend --redis or REDIS_URL`,
    );
  }
  let lastError: unknown;
  const redis = open(address, {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: 5_000,
    maxRetriesPerRequest: 0,
  });
  redis.on("error", (error) => {
    lastError = error;
  });
  let isProtected = false;
  // It says so to nobody's question and hangs up: ioredis takes that for the answer to another one.
  redis.once("connect", () =>
    redis.stream.on("data", (bytes: Buffer) => {
      isProtected ||= bytes.subarray(0, 7).toString("latin1") === "-DENIED";
    }),
  );
  try {
    await redis.connect();
    const info = await redis.info();
    if (/redis_mode:sentinel/.test(info)) {
      throw new UserError(
        `expected a Redis server at ${where}, found a Sentinel, which only says where the server is; give --redis an address that always leads to the master (a proxy, a service name, a floating IP)`,
      );
    }
    checkVersion(info, where);
    const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1] ?? "noeviction";
    if (policy !== "noeviction") {
      throw new UserError(
        `Redis at ${where} evicts keys (maxmemory-policy is ${policy}), which would lose prompts; set it to noeviction: redis-cli CONFIG SET maxmemory-policy noeviction`,
      );
    }
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (isProtected) {
      throw new UserError(
        `Redis at ${where} answers its own machine only (protected mode), as it has no password: give it one (requirepass), and here redis://:PASSWORD@host:6379; or set protected-mode no where only trusted machines reach it`,
      );
    }
    throw new UserError(explainConnectionError(messageOf(error), messageOf(lastError ?? ""), where));
  } finally {
    redis.disconnect();
  }
}

function explainConnectionError(message: string, earlier: string, where: string): string {
  const all = `${message} ${earlier}`;
  if (/NOAUTH|WRONGPASS|invalid password|NOPERM/i.test(all)) {
    return `Redis at ${where} wants a password or another one (${message}); give it in the URL: redis://:PASSWORD@host:6379`;
  }
  const reason = /Connection is closed/.test(message) && earlier !== "" ? earlier : message;
  return `expected a Redis server at ${where}, could not reach it (${reason}); start it, mend --redis or REDIS_URL, or leave both out for the embedded one`;
}

function checkVersion(info: string, where: string): void {
  const valkey = /valkey_version:(\d+)\.(\d+)/.exec(info);
  const redis = /redis_version:(\d+)\.(\d+)/.exec(info);
  const [name, found, major, minor] = valkey ? ["Valkey", valkey, 7, 2] : ["Redis", redis, 7, 0];
  const version = found ? [Number(found[1]), Number(found[2])] : [0, 0];
  if (version[0]! > (major as number) || (version[0] === major && version[1]! >= (minor as number))) return;
  throw new UserError(
    `expected Redis 7.0 or newer (or Valkey 7.2 or newer) at ${where}, found ${name} ${version.join(".")}; upgrade it, or leave --redis out for the embedded one`,
  );
}

/** The identity of the running server: it changes when Redis restarts, fails over or comes back empty. */
export async function readIncarnation(redis: Redis): Promise<string> {
  const runId = /run_id:(\w+)/.exec(await redis.info("server"))?.[1];
  if (runId === undefined) throw new Error("INFO server has no run_id");
  return runId;
}
