/**
 * One very large batch: whether memory and speed stay what they are at its beginning.
 *   node scripts/chaos/million.ts [--rows 1000000] [--concurrency 100] [--program dist/src/cli.js]
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { assertEachRowOnce } from "../../test/support/laws.ts";
import { type Figure, inWords } from "../bench/figures.ts";
import { builtProgram } from "../bench/fleet-run.ts";
import { writePrompts } from "../bench/prompts.ts";
import { printFigures, readOptions } from "../bench/run-alone.ts";
import { startInstantServer } from "../bench/simulated-server.ts";
import { watchRedis } from "../bench/watch-redis.ts";
import { inWorkplace } from "../bench/workplace.ts";
import { type ProgramProcess, startProgram, summaryOf } from "./program-process.ts";

export interface MillionOptions {
  readonly program: string;
  readonly rows: number;
  readonly concurrency: number;
}

export const millionDefaults: MillionOptions = { program: builtProgram, rows: 1_000_000, concurrency: 100 };

const indexBytesPerRow = 32;
const looksPerSecond = 5;

interface Look {
  readonly atMs: number;
  readonly answered: number;
  readonly rssMb: number;
}

export interface MillionResult {
  readonly redisPeakMb: { readonly small: number; readonly large: number };
  readonly looks: readonly Look[];
  readonly figures: readonly Figure[];
}

export async function measureMillion({ program, rows, concurrency }: MillionOptions): Promise<MillionResult> {
  return inWorkplace(async (workplace) => {
    const small = await runOnce(program, Math.ceil(rows / 100), concurrency, join(workplace, "small"));
    const large = await runOnce(program, rows, concurrency, join(workplace, "large"));
    const { looks } = large;
    const tenth = rows / 10;
    const reached = (answered: number) => looks.find((look) => look.answered >= answered) ?? looks.at(-1)!;
    // The first tenth has the start of it all in it; it is measured from the first answers on.
    const rate = (from: Look, to: Look) => ((to.answered - from.answered) * 1_000) / (to.atMs - from.atMs);
    const first = rate(reached(1), reached(tenth));
    const last = rate(reached(rows - tenth), looks.at(-1)!);
    const withoutIndex = ({ rssMb }: Look) => rssMb - (rows * indexBytesPerRow) / 1024 ** 2;
    const rssEarly = reached(tenth).rssMb;
    const rssLate = Math.max(...looks.filter(({ answered }) => answered > tenth).map(withoutIndex));
    const figures: Figure[] = [
      {
        what: `${inWords(rows)} rows in one batch, in input order: peak of Redis against a batch of ${inWords(rows / 100)}`,
        figure: `${(large.redisPeakMb / small.redisPeakMb).toFixed(2)} × (${inWords(large.redisPeakMb)} against ${inWords(small.redisPeakMb)} MB)`,
        goal: "≤ 1.25 ×",
        met: large.redisPeakMb <= 1.25 * small.redisPeakMb,
      },
      {
        what: `… peak memory of the program without ${indexBytesPerRow} bytes a row, against what it has after a tenth`,
        figure: `${(rssLate / rssEarly).toFixed(2)} × (${inWords(rssLate)} against ${inWords(rssEarly)} MB)`,
        goal: "≤ 1.1 ×",
        met: rssLate <= 1.1 * rssEarly,
      },
      {
        what: "… rows a second in the last tenth against the first",
        figure: `${(last / first).toFixed(2)} × (${inWords(last)} against ${inWords(first)})`,
        goal: "≥ 0.95 ×",
        met: last >= 0.95 * first,
      },
    ];
    return { redisPeakMb: { small: small.redisPeakMb, large: large.redisPeakMb }, looks, figures };
  });
}

async function runOnce(program: string, rows: number, concurrency: number, directory: string) {
  mkdirSync(directory, { recursive: true });
  const input = join(directory, "input.jsonl");
  const output = join(directory, "output.jsonl");
  await writePrompts(input, rows);
  const server = await startInstantServer();
  const data = join(directory, "data");
  const watch = watchRedis(join(data, "redis", "redis.sock"));
  const run = startProgram(
    program,
    [
      ...["run", input, "-o", output, "--json", "--data-dir", data],
      ...["--base-url", `${server.baseUrl}`, "--model", "sim"],
      ...["--concurrency", `127.0.0.1-${server.port}=${concurrency}`],
    ],
    directory,
  );
  const looks: Look[] = [];
  try {
    while (run.isRunning()) {
      const { requests } = await server.stats();
      if (requests > 0 && requests < rows)
        looks.push({ atMs: performance.now(), answered: requests, rssMb: rssOf(run) });
      await sleep(1_000 / looksPerSecond);
    }
    const code = await run.ended;
    if (code !== 0) throw new Error(`the run ended with ${code}: ${run.stderr()}`);
    const { answered } = summaryOf(run);
    if (answered !== rows) throw new Error(`${answered} of ${rows} rows are answered`);
    await assertEachRowOnce(output, rows);
    return { redisPeakMb: (await watch.stop()).peakMb, looks };
  } finally {
    await watch.stop();
    await server.stop();
  }
}

/** NaN once it has ended. */
function rssOf(run: ProgramProcess): number {
  try {
    return run.rssMb();
  } catch {
    return Number.NaN;
  }
}

if (import.meta.main) printFigures((await measureMillion(readOptions(millionDefaults))).figures);
