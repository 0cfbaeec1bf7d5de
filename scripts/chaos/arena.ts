import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type FleetNames, fleetNames } from "../../src/queue/names.ts";
import { type SimulatedBackend, startSimulatedBackend } from "../../test/support/simulated-backend.ts";
import { startTcpProxy, type TcpProxy } from "../../test/support/tcp-proxy.ts";
import { until } from "../../test/support/until.ts";
import { writePrompts } from "../bench/prompts.ts";
import { type ProgramProcess, startProgram } from "./program-process.ts";
import { type RedisProcess, startRedisProcess } from "./redis-process.ts";

export interface ArenaOptions {
  readonly program: string;
  readonly directory: string;
  readonly rows: number;
  /** Calls in flight of all pools together. */
  readonly concurrency: number;
  readonly latencyMs: number;
  readonly sigma?: number;
}

/** A pool in a process of its own, on its own way to Redis. */
export interface ArenaPool {
  readonly process: ProgramProcess;
  readonly wayToRedis: TcpProxy;
  /** Rows that Redis has as in a call of that process. */
  rowsInCalls(): Promise<number>;
}

/** A fleet of real processes on one machine, on a SIMULATED backend in this process: one owner, any number of pools. */
export interface Arena {
  readonly backend: SimulatedBackend;
  readonly wayToBackend: TcpProxy;
  readonly redis: RedisProcess;
  readonly names: FleetNames;
  readonly output: string;
  /** `run --no-pools`; again after its end: the same command. */
  startOwner(): ProgramProcess;
  startPool(): Promise<ArenaPool>;
  close(): Promise<void>;
}

const fleet = "chaos";

export async function openArena(options: ArenaOptions): Promise<Arena> {
  const { program, directory, rows, concurrency, latencyMs, sigma = 0 } = options;
  mkdirSync(directory, { recursive: true });
  const backend = await startSimulatedBackend({ latencyMs, sigma });
  const wayToBackend = await startTcpProxy(backend.port);
  const redis = await startRedisProcess(join(directory, "redis"));
  const input = join(directory, "input.jsonl");
  const output = join(directory, "output.jsonl");
  const config = join(directory, "models.json");
  await writePrompts(input, rows, 200);
  const lab = {
    provider: "openai-compatible",
    baseUrl: `http://127.0.0.1:${wayToBackend.port}/v1`,
    location: "local",
    concurrency,
  };
  writeFileSync(
    config,
    JSON.stringify({
      tiers: { lab },
      models: { small: { tier: "lab", model: "simulated-model" } },
      tasks: { simple: { primary: "small" } },
    }),
  );
  const names = fleetNames(fleet);
  const all: ProgramProcess[] = [];
  const ways: TcpProxy[] = [];

  function start(redisPort: number, args: readonly string[]): ProgramProcess {
    const shared = ["--config", config, "--fleet", fleet, "--redis", `redis://127.0.0.1:${redisPort}`];
    const clock = join(directory, `clock-${all.length}`);
    const started = startProgram(
      program,
      [...args, ...shared, "--data-dir", join(directory, "data")],
      directory,
      clock,
    );
    all.push(started);
    return started;
  }

  return {
    backend,
    wayToBackend,
    redis,
    names,
    output,
    startOwner: () => start(redis.port, ["run", input, "-o", output, "--no-pools", "--json"]),
    async startPool() {
      const wayToRedis = await startTcpProxy(redis.port);
      ways.push(wayToRedis);
      const pool = start(wayToRedis.port, ["work"]);
      await until("a pool to work", () => pool.stderr().includes("working lab") || !pool.isRunning(), 60_000);
      if (!pool.isRunning()) throw new Error(`a pool did not start: ${pool.stderr()}`);
      return {
        process: pool,
        wayToRedis,
        async rowsInCalls() {
          let inCalls = 0;
          for (const batch of await redis.client.smembers(names.openBatches)) {
            const calls = await redis.client.hvals(names.batch(batch).calls);
            inCalls += calls.filter((call) => call.startsWith(`${pool.pid}-`)).length;
          }
          return inCalls;
        },
      };
    },
    async close() {
      for (const one of all) if (one.isRunning()) one.signal("SIGKILL");
      await Promise.all(all.map(({ ended }) => ended));
      await Promise.all([wayToBackend, ...ways].map((way) => way.close()));
      await backend.close();
      await redis.close();
    },
  };
}
