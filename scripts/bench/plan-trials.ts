/**
 * How often a plan's stated range holds: for each trial `plan --sample`, then the run, with cost and time compared. The
 * server is SIMULATED, in this process: answers of seeded lengths, each as slow as it is long, of three kinds of work.
 *   node scripts/bench/plan-trials.ts [--trials 100] [--rows 300] [--sample 20] [--program dist/src/cli.js]
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../../test/support/simulated-answers.ts";
import { startProgram, summaryOf } from "../chaos/program-process.ts";
import { chatAnswer, startChatServer } from "./chat-server.ts";
import { type Figure, median } from "./figures.ts";
import { builtProgram } from "./fleet-run.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { inWorkplace } from "./workplace.ts";

export interface PlanTrialsOptions {
  readonly program: string;
  readonly trials: number;
  readonly rows: number;
  readonly sample: number;
}

export const planTrialsDefaults: PlanTrialsOptions = { program: builtProgram, trials: 100, rows: 300, sample: 20 };

/** The program says 90 %. */
const goalShare = 0.85;
const atOnce = 4;
const slots = 8;
const msPerToken = 1;

/** Output tokens of a row. */
type Workload = (random: () => number) => number;

const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

const workloads: Readonly<Record<string, Workload>> = {
  labels: (random) => 40 + Math.floor(random() * 20),
  summaries: (random) => Math.max(1, Math.round(90 * Math.exp(0.5 * normal(random)))),
  // One in ten is a long one.
  mixed: (random) => Math.round(random() < 0.1 ? 300 + 200 * random() : 60 * Math.exp(0.3 * normal(random))),
};

interface Trial {
  readonly workload: string;
  readonly costHeld: boolean;
  readonly timeHeld: boolean;
  /** Of the likeliest value, as a part of the actual one. */
  readonly costError: number;
  readonly timeError: number;
  /** Of the stated range, as a part of the likeliest value: a range as wide as the world holds, too. */
  readonly costWidth: number;
  readonly timeWidth: number;
}

export interface PlanTrialsResult {
  readonly trials: readonly Trial[];
  readonly figures: readonly Figure[];
}

export async function measurePlanTrials(options: PlanTrialsOptions): Promise<PlanTrialsResult> {
  const lengths = new Map<string, number>();
  const server = await startChatServer((text, response) => {
    const [, key = ""] = /#(\S+?)[\s"\\]/.exec(text) ?? [];
    const tokens = lengths.get(key) ?? 1;
    setTimeout(() => response.end(chatAnswer("word ".repeat(tokens), 60, tokens)), tokens * msPerToken);
  });
  try {
    const trials = await inWorkplace(async (workplace) => {
      const done: Trial[] = [];
      let next = 0;
      const worker = async (): Promise<void> => {
        for (let seed = next++; seed < options.trials; seed = next++) {
          done.push(await runTrial(options, seed, server.baseUrl, join(workplace, `trial-${seed}`), lengths));
        }
      };
      await Promise.all(Array.from({ length: atOnce }, worker));
      return done;
    });
    return { trials, figures: figuresOf(trials, options) };
  } finally {
    server.close();
  }
}

async function runTrial(
  { program, rows, sample }: PlanTrialsOptions,
  seed: number,
  baseUrl: string,
  directory: string,
  lengths: Map<string, number>,
): Promise<Trial> {
  const names = Object.keys(workloads);
  const workload = names[seed % names.length]!;
  const random = seededRandom(seed + 1);
  mkdirSync(directory, { recursive: true });
  const lines = Array.from({ length: rows }, (_, row) => {
    const key = `${seed}-${row}`;
    lengths.set(key, workloads[workload]!(random));
    return JSON.stringify({ prompt: `#${key} Tell me about it.` });
  });
  writeFileSync(join(directory, "in.jsonl"), `${lines.join("\n")}\n`);
  const price = { inputPerMTok: 1, outputPerMTok: 10 };
  const config = {
    tiers: {
      lab: {
        provider: "openai-compatible",
        baseUrl,
        location: "local",
        concurrency: slots,
      },
    },
    models: { small: { tier: "lab", model: "m", price } },
    tasks: { simple: { primary: "small" } },
  };
  writeFileSync(join(directory, "models.json"), JSON.stringify(config));
  const common = ["in.jsonl", "-o", "out.jsonl", "--config", "models.json", "--data-dir", "data", "--json"];
  const planned = await ask(program, directory, ["plan", ...common, "--sample", `${sample}`]);
  const ran = await ask(program, directory, ["run", ...common]);
  const plan = planned as { done: { cost_usd: number }; cost_usd: Range; seconds: Range };
  const { cost_usd: cost, wall_s: seconds } = ran as { cost_usd: number; wall_s: number };
  const left = cost - plan.done.cost_usd;
  return {
    workload,
    costHeld: left >= plan.cost_usd.low && left <= plan.cost_usd.high,
    timeHeld: seconds >= plan.seconds.low && seconds <= plan.seconds.high,
    costError: Math.abs(plan.cost_usd.likely - left) / left,
    timeError: Math.abs(plan.seconds.likely - seconds) / seconds,
    costWidth: widthOf(plan.cost_usd),
    timeWidth: widthOf(plan.seconds),
  };
}

interface Range {
  readonly low: number;
  readonly likely: number;
  readonly high: number;
}

const widthOf = ({ low, likely, high }: Range): number => (high - low) / likely;

/** The last line that the program prints. */
async function ask(program: string, directory: string, args: readonly string[]): Promise<unknown> {
  const asked = startProgram(program, args, directory);
  const code = await asked.ended;
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${asked.stderr()}`);
  return summaryOf(asked);
}

function figuresOf(trials: readonly Trial[], { sample, rows }: PlanTrialsOptions): Figure[] {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const of = (what: "cost" | "time"): Figure => {
    const held = `${what}Held` as const;
    const medianOf = (part: "Error" | "Width"): string => percent(median(trials.map((one) => one[`${what}${part}`])));
    const share = trials.filter((trial) => trial[held]).length / trials.length;
    const byWorkload = Object.keys(workloads).map((name) => {
      const own = trials.filter(({ workload }) => workload === name);
      return `${name} ${own.filter((trial) => trial[held]).length}/${own.length}`;
    });
    return {
      what: `Plan of ${rows} rows after --sample ${sample}: actual ${what} inside the stated 90 % range (median error of the likeliest, median width of the range)`,
      figure: `${trials.filter((trial) => trial[held]).length} of ${trials.length} trials (${medianOf("Error")}, ${medianOf("Width")}); ${byWorkload.join(", ")}`,
      goal: `≥ ${Math.round(goalShare * trials.length)}`,
      met: share >= goalShare,
    };
  };
  return [of("cost"), of("time")];
}

if (import.meta.main) printFigures((await measurePlanTrials(readOptions(planTrialsDefaults))).figures);
