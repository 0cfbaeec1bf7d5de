import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { Redis } from "ioredis";
import { freePort } from "../../test/support/free-port.ts";
import { until } from "../../test/support/until.ts";

/** A redis-server on a port of its own, set up as the embedded one is, that can be killed and comes back with its file. */
export interface RedisProcess {
  readonly port: number;
  /** A client for looking; it reconnects. */
  readonly client: Redis;
  start(): Promise<void>;
  /** By SIGKILL: what it had not synced is lost. */
  kill(): Promise<void>;
  close(): Promise<void>;
}

export async function startRedisProcess(directory: string): Promise<RedisProcess> {
  mkdirSync(directory, { recursive: true });
  const port = await freePort();
  const client = new Redis(port, "127.0.0.1", {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    retryStrategy: () => 50,
  });
  client.on("error", () => {});
  let child: ChildProcess | undefined;

  const redis: RedisProcess = {
    port,
    client,
    async start() {
      const settings = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", directory, "--appendonly", "yes"];
      child = spawn("redis-server", [...settings, "--appendfsync", "everysec", "--save", ""], { stdio: "ignore" });
      if (client.status === "wait") client.connect().catch(() => {});
      await until("redis-server to answer", () => client.ping().catch(() => undefined), 30_000);
    },
    async kill() {
      const ending = child!;
      child = undefined;
      const exited = once(ending, "exit");
      ending.kill("SIGKILL");
      await exited;
    },
    async close() {
      client.disconnect();
      if (child !== undefined) await redis.kill();
    },
  };
  await redis.start();
  return redis;
}
