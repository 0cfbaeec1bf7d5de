/**
 * `concurrency: "auto"` on real servers that run already: vLLM with 16 sequences against fixed numbers, taking turns, and
 * Ollama with one slot and a queue of four, which answers 503 beyond.
 * (Start them with MAX_SEQS=16, or OLLAMA_NUM_PARALLEL=1 and OLLAMA_MAX_QUEUE=4. By default vLLM's worker and engine spin on
 * a core each while they work: on two cores nothing is left to the client. VLLM_ENABLE_V1_MULTIPROCESSING=0 with
 * --distributed-executor-backend uni makes them one process.)
 *   node scripts/bench/real-sizing.ts --vllm http://127.0.0.1:18000 --ollama http://127.0.0.1:11434 [--rounds 3]
 */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type CountedCalls, startCountingProxy } from "./counting-proxy.ts";
import { type Figure, inWords, median } from "./figures.ts";
import { builtProgram, firstLineOptions } from "./fleet-run.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { inWorkplace } from "./workplace.ts";

export interface RealSizingOptions {
  readonly program: string;
  /** Where vLLM and Ollama listen, without a path. Empty: left out. */
  readonly vllm: string;
  readonly ollama: string;
  readonly rounds: number;
  readonly rows: number;
  readonly ollamaRows: number;
}

export const realSizingDefaults: RealSizingOptions = {
  program: builtProgram,
  vllm: "",
  ollama: "",
  rounds: 3,
  rows: 2_000,
  ollamaRows: 1_000,
};

const fixedNumbers = [8, 16, 24, 48];
/** The search is over by then, and the last calls have not begun to run out. */
const searchMs = 8_000;
const lookMs = 250;

interface Run {
  readonly counted: CountedCalls;
  readonly firstMs: number;
  readonly answered: number;
  /** Mean of what vLLM says waits there, after the search. */
  readonly waiting: number;
  readonly inFlight: number;
}

export async function measureRealSizing(options: RealSizingOptions): Promise<{ figures: readonly Figure[] }> {
  const figures: Figure[] = [];
  if (options.vllm !== "") figures.push(...(await measureVllm(options)));
  if (options.ollama !== "") figures.push(...(await measureOllama(options)));
  return { figures };
}

async function measureVllm({ program, vllm, rounds, rows }: RealSizingOptions): Promise<readonly Figure[]> {
  const rates = new Map<number | "auto", number[]>();
  const autos: Run[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const concurrency of ["auto", ...fixedNumbers] as const) {
      const run = await runOnce({
        program,
        provider: "vllm",
        url: vllm,
        path: "/v1",
        concurrency,
        rows,
        maxTokens: 128,
      });
      rates.set(concurrency, [...(rates.get(concurrency) ?? []), rateOf(run)]);
      if (concurrency === "auto") autos.push(run);
    }
  }
  const medians = fixedNumbers.map((number) => median(rates.get(number)!));
  const best = Math.max(...medians);
  const share = median(rates.get("auto")!) / best;
  const waiting = median(autos.map((run) => run.waiting));
  return [
    {
      what: `real vLLM on CPU, 16 sequences: answers a second with "auto" after the search against the best fixed concurrency (${fixedNumbers[medians.indexOf(best)]}), medians of ${rounds}`,
      figure: `${(100 * share).toFixed(1)} %, ${inWords(median(autos.map(({ inFlight }) => inFlight)))} in flight (${fixedNumbers.map((number, at) => `${number}: ${inWords(medians[at]!)}/s`).join(" · ")})`,
      goal: "≥ 90 %",
      met: share >= 0.9,
    },
    {
      what: "the same: requests that wait there (its own gauge), mean after the search",
      figure: inWords(waiting),
      goal: "≤ 4",
      met: waiting <= 4,
    },
  ];
}

async function measureOllama({ program, ollama, ollamaRows: rows }: RealSizingOptions): Promise<readonly Figure[]> {
  const run = await runOnce({
    ...{ program, provider: "ollama", url: ollama, path: "", concurrency: "auto", rows, maxTokens: 32 },
  });
  const late = run.counted.answers.filter(({ atMs }) => atMs > run.firstMs + searchMs);
  const refused = late.filter(({ status }) => status === 503).length / late.length;
  return [
    {
      what: `real Ollama, one slot and a queue of four, concurrency "auto", ${rows} rows: answered`,
      figure: inWords(run.answered),
      goal: `${rows}`,
      met: run.answered === rows,
    },
    {
      what: "the same: calls refused with 503, of all and of those after the search",
      figure: `${inWords(run.counted.answers.filter(({ status }) => status === 503).length)} of ${run.counted.answers.length}, then ${(100 * refused).toFixed(1)} %`,
      goal: "≤ 3 % after the search",
      met: refused <= 0.03,
    },
  ];
}

function rateOf({ counted, firstMs }: Run): number {
  const seen = counted.answers.filter(({ atMs }) => atMs >= firstMs + searchMs && atMs <= counted.lastRequestMs);
  return (seen.length * 1_000) / (counted.lastRequestMs - firstMs - searchMs);
}

interface Asked {
  readonly program: string;
  readonly provider: string;
  readonly url: string;
  readonly path: string;
  readonly concurrency: number | "auto";
  readonly rows: number;
  readonly maxTokens: number;
}

async function runOnce({ program, provider, url, path, concurrency, rows, maxTokens }: Asked): Promise<Run> {
  return inWorkplace(async (workplace) => {
    const proxy = await startCountingProxy(url);
    const waits: { readonly atMs: number; readonly waiting: number; readonly inFlight: number }[] = [];
    let firstMs = 0;
    const timer = setInterval(async () => {
      if (firstMs === 0 && proxy.counted().inFlight > 0) firstMs = performance.now();
      const waiting = provider === "vllm" ? await waitingAt(url) : 0;
      waits.push({ atMs: performance.now(), waiting, inFlight: proxy.counted().inFlight });
    }, lookMs);
    try {
      const [config, input, output] = ["models.json", "input.jsonl", "output.jsonl"].map((name) =>
        join(workplace, name),
      ) as [string, string, string];
      const baseUrl = `http://127.0.0.1:${proxy.port}${path}`;
      const tiers = { real: { provider, baseUrl, location: "local", concurrency } };
      const models = { "real.auto": { tier: "real", model: "auto" } };
      writeFileSync(config, JSON.stringify({ tiers, models, tasks: { simple: { primary: "real.auto" } } }));
      const lines = Array.from({ length: rows }, (_, row) => JSON.stringify(lineOf(row, maxTokens)));
      writeFileSync(input, `${lines.join("\n")}\n`);
      const args = [program, "run", input, "-o", output, "--json", "--config", config];
      await promisify(execFile)(
        process.execPath,
        [...firstLineOptions(program), ...args, "--data-dir", join(workplace, "data")],
        { maxBuffer: 2 ** 28 },
      );
      const answered = readFileSync(output, "utf8").split('"status_code":200').length - 1;
      const counted = proxy.counted();
      const late = waits.filter(({ atMs }) => atMs > firstMs + searchMs && atMs < counted.lastRequestMs);
      const meanOf = (of: "waiting" | "inFlight"): number => late.reduce((sum, one) => sum + one[of], 0) / late.length;
      return { counted, firstMs, answered, waiting: meanOf("waiting"), inFlight: meanOf("inFlight") };
    } finally {
      clearInterval(timer);
      await proxy.close();
    }
  });
}

/** A model without training ends where it likes, and rates would tell of that: each row has a length, half to one and a half. */
function lineOf(row: number, maxTokens: number): object {
  const length = Math.round(maxTokens * (0.5 + ((row * 37) % 100) / 100));
  const body = { model: "auto", messages: [{ role: "user", content: `Hello ${row}` }], max_tokens: length };
  return {
    custom_id: `row-${row}`,
    method: "POST",
    url: "/v1/chat/completions",
    body: { ...body, ignore_eos: true },
  };
}

async function waitingAt(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^vllm:num_requests_waiting\{[^}]*\} (\S+)/m.exec(text)?.[1] ?? 0);
}

if (import.meta.main) printFigures((await measureRealSizing(readOptions(realSizingDefaults))).figures);
