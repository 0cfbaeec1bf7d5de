import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { beforeAll } from "vitest";
import { findExecutable, readVariable } from "../../src/config/environment.ts";
import { chooseRedisBinary } from "../../src/queue/redis-binary.ts";
import { afterTests } from "./clean-up.ts";
import { freePort } from "./free-port.ts";
import { until } from "./until.ts";

/** A private redis-server, on a unix socket in a folder of its own. */
export interface TestRedis {
  readonly address: { readonly socketPath: string };
  /** A client for looking; it reconnects. */
  readonly client: Redis;
  /** A fleet name that no other test uses. */
  newFleetName(): string;
  start(): Promise<void>;
  /** Ends it by SIGKILL: what it had not synced is lost. */
  kill(): Promise<void>;
  /** Ends it properly: everything is on disk. */
  shutDown(): Promise<void>;
  /** Throws away what it had on disk; only while it is down. */
  wipe(): void;
  /** Also listens on a port of its own from now on; returns its URL. */
  listenOnPort(): Promise<string>;
  /** Freezes and thaws the process. */
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
}

/** The redis-server that promptfleet itself would start. */
export async function redisServerPath(): Promise<string> {
  const candidates = [
    readVariable("PROMPTFLEET_REDIS_SERVER"),
    findExecutable("redis-server"),
    findExecutable("valkey-server"),
  ].filter((path) => path !== undefined);
  return (await chooseRedisBinary(candidates)).path;
}

/** A server that is not yet started; it is ended after the tests. */
function prepareRedis(): TestRedis {
  const folder = mkdtempSync(join(tmpdir(), "pf-redis-"));
  const socketPath = join(folder, "redis.sock");
  const settings = {
    port: "0",
    unixsocket: socketPath,
    dir: folder,
    appendonly: "yes",
    appendfsync: "everysec",
    save: "",
    "maxmemory-policy": "noeviction",
  };
  const client = new Redis(socketPath, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    retryStrategy: () => 50,
  });
  client.on("error", () => {});
  let child: ChildProcess | undefined;
  let fleets = 0;

  async function end(how: () => unknown): Promise<void> {
    const ending = child;
    if (ending === undefined) return;
    child = undefined;
    const exited = once(ending, "exit");
    how();
    await exited;
  }

  const server: TestRedis = {
    address: { socketPath },
    client,
    newFleetName: () => `test-${++fleets}`,
    async start() {
      rmSync(socketPath, { force: true });
      const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
      child = spawn(await redisServerPath(), args, { stdio: "ignore", cwd: folder });
      await until("redis-server to listen", () => existsSync(socketPath));
      if (client.status === "wait") client.connect().catch(() => {});
      await until("redis-server to answer", () => client.ping().catch(() => undefined));
    },
    async kill() {
      const ending = child;
      await end(() => ending?.kill("SIGKILL"));
    },
    async shutDown() {
      const ending = child;
      await end(() => ending?.kill("SIGTERM"));
    },
    wipe() {
      if (child !== undefined) throw new Error("redis-server must be down to be wiped");
      rmSync(join(folder, "appendonlydir"), { recursive: true, force: true });
    },
    async listenOnPort() {
      const port = await freePort();
      await client.config("SET", "port", String(port));
      return `redis://127.0.0.1:${port}`;
    },
    signal(signal) {
      child?.kill(signal);
    },
  };
  afterTests(async () => {
    client.disconnect();
    await server.kill();
    rmSync(folder, { recursive: true, force: true });
  });
  return server;
}

/** One server for all tests of this file. */
export function withRedis(): TestRedis {
  const server = prepareRedis();
  beforeAll(() => server.start());
  return server;
}

/** A server for one test, which may do with it what it likes. */
export async function givenRedis(): Promise<TestRedis> {
  const server = prepareRedis();
  await server.start();
  return server;
}
