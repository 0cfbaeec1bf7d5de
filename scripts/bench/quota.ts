/**
 * How much of its quotas a fleet uses, and how often it is refused: a simulated provider with token buckets of two
 * seconds, asked by 1, 2 and 4 `work` processes on one Redis, and with a kill and a join in the middle. All models are
 * asked at the same time, each by its own quota:
 *   3,000 and, on the same tier, 1,000 requests a minute · 1,000,000 tokens a minute charged as OpenAI does, as Anthropic
 *   does, and learned from headers alone, prompts of mixed length.
 *   node scripts/bench/quota.ts [--seconds 60] [--processes 1,2,4,kill]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { finished } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { freePort } from "../../test/support/free-port.ts";
import { seededRandom } from "../../test/support/simulated-answers.ts";
import type { Figure } from "./figures.ts";
import { builtProgram } from "./fleet-run.ts";
import type { ModelQuota, QuotaStats } from "./quota-server.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { inWorkplace } from "./workplace.ts";

export interface QuotaOptions {
  readonly program: string;
  /** Length of the measured window, after the warm-up. */
  readonly seconds: number;
  /** How many processes share the quotas, by commas; `kill`: two, of which one is killed and another joins. */
  readonly processes: string;
}

export const quotaDefaults: QuotaOptions = { program: builtProgram, seconds: 60, processes: "1,2,4,kill" };

const warmUpSeconds = 12;
const leastUse = 0.98;
const mostThrottled = 0.001;

interface Lane extends ModelQuota {
  readonly tier: string;
  readonly words: string;
  readonly rowsPerSecond: number;
}

const million = { unit: "tokens", perMinute: 1_000_000, rowsPerSecond: 24 } as const;
const lanes: Readonly<Record<string, Lane>> = {
  many: { tier: "lab", unit: "requests", perMinute: 3_000, charges: "real", words: "3,000 rpm", rowsPerSecond: 50 },
  few: { tier: "lab", unit: "requests", perMinute: 1_000, charges: "real", words: "1,000 rpm", rowsPerSecond: 17 },
  openai: { ...million, tier: "lab", charges: "most", words: "1M tpm, OpenAI's way" },
  anthropic: { ...million, tier: "real", charges: "real", words: "1M tpm, Anthropic's way" },
  learned: { ...million, tier: "auto", charges: "most", words: "1M tpm, from headers" },
};

function configFor(baseUrl: string, fleet: string): object {
  const tier = (provider: string) => ({ provider, baseUrl, location: "local", concurrency: 96 });
  return {
    fleet,
    defaultTask: "any",
    tiers: {
      lab: tier("openai-compatible"),
      real: tier("vllm"),
      auto: { ...tier("openai-compatible"), limits: "auto" },
    },
    models: Object.fromEntries(
      Object.entries(lanes).map(([model, { tier: name, unit, perMinute }]) => [
        model,
        {
          tier: name,
          model,
          maxOutputTokens: 200,
          ...(name === "auto" ? {} : { limits: unit === "requests" ? { rpm: perMinute } : { tpm: perMinute } }),
        },
      ]),
    ),
    tasks: { any: { primary: "many" } },
  };
}

/** Rows for all lanes mixed, of 100 to 4,000 tokens. */
async function writeRows(path: string, seconds: number): Promise<void> {
  const random = seededRandom(11);
  const rows = Object.entries(lanes).flatMap(([model, { rowsPerSecond }]) =>
    Array.from({ length: Math.ceil(rowsPerSecond * seconds) }, () => ({ model, at: random() })),
  );
  rows.sort((one, other) => one.at - other.at);
  const file = createWriteStream(path);
  for (const [row, { model }] of rows.entries()) {
    const words = lanes[model]!.unit === "tokens" ? 80 + 3_000 * random() ** 3 : 40;
    const prompt = `#r${row} ${"word and ".repeat(Math.ceil(words / 2))}`;
    if (!file.write(`${JSON.stringify({ id: `r${row}`, model, prompt })}\n`)) await once(file, "drain");
  }
  file.end();
  await finished(file);
}

export interface QuotaRun {
  readonly processes: string;
  readonly use: Readonly<Record<string, number>>;
  readonly throttledShare: number;
  readonly rowsPerSecond: number;
  /** In that time; `scripts`: calls of Lua scripts, BullMQ's and ours. */
  readonly redis: { readonly usPerRow: number; readonly scriptsPerRow: number };
  /** Redis' CPU before there were any rows: the processes beat, and wait for jobs. Part of a core. */
  readonly idleShare: number;
}

/** What a Redis has done so far. */
interface RedisWork {
  readonly atMs: number;
  readonly cpuMs: number;
  readonly scripts: number;
}

async function workOf(redis: Redis): Promise<RedisWork> {
  const info = `${await redis.info("cpu")}${await redis.info("commandstats")}`;
  const numberOf = (pattern: RegExp): number => Number(pattern.exec(info)?.[1] ?? 0);
  return {
    atMs: performance.now(),
    cpuMs: 1_000 * (numberOf(/^used_cpu_user:([\d.]+)/m) + numberOf(/^used_cpu_sys:([\d.]+)/m)),
    scripts: numberOf(/^cmdstat_evalsha:calls=(\d+)/m),
  };
}

const idleSeconds = 5;

async function measureOnce(options: QuotaOptions, processes: string, directory: string): Promise<QuotaRun> {
  const { program, seconds } = options;
  const children: ChildProcess[] = [];
  const socket = join(directory, "redis.sock");
  const redis = new Redis(socket, { connectionName: "bench", retryStrategy: () => 20 });
  redis.on("error", () => {});
  const start = (command: string, args: readonly string[], output: "ignore" | "pipe" = "ignore"): ChildProcess => {
    const child = spawn(command, args, { stdio: ["ignore", output, output === "pipe" ? "inherit" : "ignore"] });
    children.push(child);
    return child;
  };
  try {
    const port = await freePort();
    const where = ["--port", `${port}`, "--bind", "127.0.0.1", "--unixsocket", socket, "--dir", directory];
    start("redis-server", [...where, "--save", ""]);
    const server = start(
      process.execPath,
      [join(import.meta.dirname, "quota-server.ts"), JSON.stringify(lanes)],
      "pipe",
    );
    const [line] = (await once(createInterface({ input: server.stdout! }), "line")) as [string];
    const { baseUrl } = JSON.parse(line) as { baseUrl: string };
    const config = join(directory, "models.json");
    writeFileSync(config, JSON.stringify(configFor(baseUrl, "quota")));
    const shared = ["--config", config, "--redis", `redis://127.0.0.1:${port}`];
    const work = () => start(process.execPath, [program, "work", ...shared]);
    const count = processes === "kill" ? 2 : Number(processes);
    const workers = Array.from({ length: count }, work);
    const input = join(directory, "input.jsonl");
    await writeRows(input, (warmUpSeconds + seconds) * 1.15);
    // So that they have started and found each other.
    await sleep(idleSeconds * 1_000);
    const idleFrom = await workOf(redis);
    await sleep(idleSeconds * 1_000);
    const idleTo = await workOf(redis);
    start(process.execPath, [
      program,
      "run",
      input,
      "-o",
      join(directory, "out.jsonl"),
      "--no-pools",
      "--json",
      ...shared,
    ]);
    await sleep(warmUpSeconds * 1_000);
    const askStats = async () => (await (await fetch(baseUrl.replace("/v1", "/simulated/stats"))).json()) as QuotaStats;
    const before = { stats: await askStats(), work: await workOf(redis) };
    const fromMs = Date.now();
    if (processes === "kill") {
      await sleep((seconds * 1_000) / 3);
      workers[0]!.kill("SIGKILL");
      await sleep((seconds * 1_000) / 6);
      work();
      await sleep((seconds * 1_000) / 2);
    } else await sleep(seconds * 1_000);
    const toMs = Date.now();
    const after = { stats: await askStats(), work: await workOf(redis) };
    const idleShare = (idleTo.cpuMs - idleFrom.cpuMs) / (idleTo.atMs - idleFrom.atMs);
    return { processes, ...summarise(before, after, fromMs, toMs), idleShare };
  } finally {
    redis.disconnect();
    for (const child of children) child.kill("SIGKILL");
  }
}

interface Measured {
  readonly stats: QuotaStats;
  readonly work: RedisWork;
}

function summarise(before: Measured, after: Measured, fromMs: number, toMs: number) {
  const use: Record<string, number> = {};
  for (const [model, { perMinute }] of Object.entries(lanes)) {
    const inside = (after.stats.charged[model] ?? []).filter(([atMs]) => atMs >= fromMs && atMs < toMs);
    use[model] = inside.reduce((sum, [, cost]) => sum + cost, 0) / ((perMinute * (toMs - fromMs)) / 60_000);
  }
  const sum = (counts: Readonly<Record<string, number>>) =>
    Object.values(counts).reduce((all, count) => all + count, 0);
  const calls = sum(after.stats.letIn);
  const throttled = sum(after.stats.throttled);
  const rows = calls - sum(before.stats.letIn);
  const { atMs, cpuMs, scripts } = after.work;
  return {
    use,
    throttledShare: throttled / (calls + throttled),
    rowsPerSecond: (1_000 * rows) / (atMs - before.work.atMs),
    redis: {
      usPerRow: (1_000 * (cpuMs - before.work.cpuMs)) / rows,
      scriptsPerRow: (scripts - before.work.scripts) / rows,
    },
  };
}

export async function measureQuota(
  options: QuotaOptions,
): Promise<{ runs: readonly QuotaRun[]; figures: readonly Figure[] }> {
  const runs: QuotaRun[] = [];
  for (const processes of options.processes.split(",")) {
    runs.push(await inWorkplace((directory) => measureOnce(options, processes, directory)));
  }
  const figures = runs.map(({ processes, use, throttledShare, rowsPerSecond, redis, idleShare }): Figure => {
    const who =
      processes === "kill" ? "2 processes, a kill and a join" : `${processes} process${processes === "1" ? "" : "es"}`;
    const uses = Object.entries(use).map(([model, share]) => `${lanes[model]!.words} ${(100 * share).toFixed(1)} %`);
    const cpu = `${redis.usPerRow.toFixed(0)} µs and ${redis.scriptsPerRow.toFixed(1)} scripts at ${rowsPerSecond.toFixed(0)} rows/s`;
    return {
      what: `Use of each quota over ${options.seconds} s, ${who} (429s of all calls; a row's part of Redis' CPU and script calls, BullMQ's for its job included; Redis' CPU without rows)`,
      figure: `${uses.join(" · ")} (${(100 * throttledShare).toFixed(2)} %; ${cpu}; ${(100 * idleShare).toFixed(1)} % of a core)`,
      goal: `≥ ${100 * leastUse} %, 429s < ${100 * mostThrottled} %`,
      met: Object.values(use).every((share) => share >= leastUse) && throttledShare < mostThrottled,
    };
  });
  return { runs, figures };
}

if (import.meta.main) printFigures((await measureQuota(readOptions(quotaDefaults))).figures);
