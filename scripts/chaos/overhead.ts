/**
 * What surviving all this costs: `promptfleet run` of the main job's benchmark as the program is, against the program
 * as it was when that benchmark was first accepted, before failover, isolation of rows, quotas, audit and chaos. The two
 * take turns on one machine; the old one is built from this repository's history, with its own packages.
 *   node scripts/chaos/overhead.ts [--rows 20000] [--rounds 7] [--concurrency 100] [--program dist/src/cli.js]
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Figure, inWords, median } from "../bench/figures.ts";
import { builtProgram, measureFleetRun } from "../bench/fleet-run.ts";
import { writePrompts } from "../bench/prompts.ts";
import { printFigures, readOptions } from "../bench/run-alone.ts";
import { startInstantServer } from "../bench/simulated-server.ts";
import { inWorkplace } from "../bench/workplace.ts";

export interface OverheadOptions {
  readonly program: string;
  readonly rows: number;
  readonly rounds: number;
  readonly concurrency: number;
}

export const overheadDefaults: OverheadOptions = { program: builtProgram, rows: 20_000, rounds: 7, concurrency: 100 };

/** The last commit of 2026-11-24: the main job, with README's first table. */
const mainJob = "a09e5e3f0f2e40cb3c7ac9321203fc1a6dbd71a6";
const goal = 0.95;
const root = join(import.meta.dirname, "..", "..");

export async function measureOverhead(options: OverheadOptions): Promise<{ figures: Figure[] }> {
  const { rows, rounds, concurrency } = options;
  const what = `\`run\` of ${inWords(rows)} one-KB prompts, against the same program of 2026-11-24, before failover and chaos`;
  if (!hasCommit()) {
    return { figures: [{ what, figure: "not measured: this clone lacks that commit", goal: `≥ ${goal} ×` }] };
  }
  return inWorkplace(async (workplace) => {
    const programs = { before: buildMainJob(join(workplace, "main-job")), now: options.program };
    const input = join(workplace, "input.jsonl");
    await writePrompts(input, rows);
    const server = await startInstantServer();
    const rates: Record<keyof typeof programs, number[]> = { before: [], now: [] };
    try {
      for (let round = 0; round < rounds; round++) {
        // Who goes first has no advantage.
        for (const side of round % 2 === 0 ? (["before", "now"] as const) : (["now", "before"] as const)) {
          const directory = join(workplace, "side");
          const run = { program: programs[side], directory, input, rows, port: server.port, concurrency };
          const { client } = await measureFleetRun(run);
          rmSync(directory, { recursive: true });
          rates[side].push((rows * 1_000) / client.wallMs);
        }
      }
    } finally {
      await server.stop();
    }
    const ratio = median(rates.now.map((rate, round) => rate / rates.before[round]!));
    const figure = `${ratio.toFixed(2)} × (${inWords(median(rates.now))} against ${inWords(median(rates.before))} rows/s)`;
    return { figures: [{ what, figure, goal: `≥ ${goal} ×`, met: ratio >= goal }] };
  });
}

/** False in a shallow clone. */
function hasCommit(): boolean {
  try {
    execFileSync("git", ["cat-file", "-e", `${mainJob}^{commit}`], { cwd: root, stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Its bin, built by its own set-up, which brings its own packages. */
function buildMainJob(directory: string): string {
  mkdirSync(directory);
  const archive = execFileSync("git", ["archive", mainJob], { cwd: root, maxBuffer: 1 << 28 });
  execFileSync("tar", ["-x", "-C", directory], { input: archive });
  execFileSync("bash", ["scripts/setup/build"], { cwd: directory, stdio: ["ignore", "ignore", "inherit"] });
  return join(directory, "dist", "src", "cli.js");
}

if (import.meta.main) printFigures((await measureOverhead(readOptions(overheadDefaults))).figures);
