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
import { freePort } from "../../test/support/free-port.ts";
import { seededRandom } from "../../test/support/simulated-answers.ts";
import type { Figure } from "./figures.ts";
import { builtProgram } from "./fleet-run.ts";
import type { ModelQuota, QuotaStats } from "./quota-server.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { watchRedis } from "./watch-redis.ts";
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
  readonly redisUsPerRow: number;
}

async function measureOnce(options: QuotaOptions, processes: string, directory: string): Promise<QuotaRun> {
  const { program, seconds } = options;
  const children: ChildProcess[] = [];
  const start = (command: string, args: readonly string[], output: "ignore" | "pipe" = "ignore"): ChildProcess => {
    const child = spawn(command, args, { stdio: ["ignore", output, output === "pipe" ? "inherit" : "ignore"] });
    children.push(child);
    return child;
  };
  try {
    const port = await freePort();
    const socket = join(directory, "redis.sock");
    start("redis-server", ["--port", `${port}`, "--bind", "127.0.0.1", "--unixsocket", socket, "--dir", directory]);
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
    const watch = watchRedis(socket);
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
    const fromMs = Date.now();
    if (processes === "kill") {
      await sleep((seconds * 1_000) / 3);
      workers[0]!.kill("SIGKILL");
      await sleep((seconds * 1_000) / 6);
      work();
      await sleep((seconds * 1_000) / 2);
    } else await sleep(seconds * 1_000);
    const toMs = Date.now();
    const stats = (await (await fetch(baseUrl.replace("/v1", "/simulated/stats"))).json()) as QuotaStats;
    const { cpuMs } = await watch.stop();
    return summarise(processes, stats, fromMs, toMs, cpuMs);
  } finally {
    for (const child of children) child.kill("SIGKILL");
  }
}

function summarise(processes: string, stats: QuotaStats, fromMs: number, toMs: number, cpuMs: number): QuotaRun {
  const use: Record<string, number> = {};
  let calls = 0;
  for (const [model, { perMinute }] of Object.entries(lanes)) {
    const charged = stats.charged[model] ?? [];
    calls += charged.length;
    const inside = charged.filter(([atMs]) => atMs >= fromMs && atMs < toMs);
    use[model] = inside.reduce((sum, [, cost]) => sum + cost, 0) / ((perMinute * (toMs - fromMs)) / 60_000);
  }
  const throttled = Object.values(stats.throttled).reduce((sum, count) => sum + count, 0);
  return { processes, use, throttledShare: throttled / (calls + throttled), redisUsPerRow: (cpuMs * 1_000) / calls };
}

export async function measureQuota(
  options: QuotaOptions,
): Promise<{ runs: readonly QuotaRun[]; figures: readonly Figure[] }> {
  const runs: QuotaRun[] = [];
  for (const processes of options.processes.split(",")) {
    runs.push(await inWorkplace((directory) => measureOnce(options, processes, directory)));
  }
  const figures = runs.map(({ processes, use, throttledShare, redisUsPerRow }): Figure => {
    const who =
      processes === "kill" ? "2 processes, a kill and a join" : `${processes} process${processes === "1" ? "" : "es"}`;
    const uses = Object.entries(use).map(([model, share]) => `${lanes[model]!.words} ${(100 * share).toFixed(1)} %`);
    return {
      what: `Use of each quota over ${options.seconds} s, ${who} (429s of all calls; Redis' CPU a row, all of it)`,
      figure: `${uses.join(" · ")} (${(100 * throttledShare).toFixed(2)} %; ${redisUsPerRow.toFixed(0)} µs)`,
      goal: `≥ ${100 * leastUse} %, 429s < ${100 * mostThrottled} %`,
      met: Object.values(use).every((share) => share >= leastUse) && throttledShare < mostThrottled,
    };
  });
  return { runs, figures };
}

if (import.meta.main) printFigures((await measureQuota(readOptions(quotaDefaults))).figures);
