/**
 * Rows that three models are asked, on simulated servers. A server that answers at once: rows × 3 models against three
 * times as many plain rows, each a `promptfleet run` of its own, timed whole. And one that errs at a known rate: what
 * `economy` saves, against what the mathematics says.
 *   node scripts/bench/consensus.ts [--rows 10000] [--rounds 3] [--concurrency 100] [--program dist/src/cli.js]
 */
import { createHash } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type SimulatedBackend, startSimulatedBackend } from "../../test/support/simulated-backend.ts";
import { type Figure, inWords, median } from "./figures.ts";
import { builtProgram, firstLineOptions, outputName } from "./fleet-run.ts";
import { measureProcess } from "./measure-process.ts";
import { checkAnswers, writePrompts } from "./prompts.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { startInstantServer } from "./simulated-server.ts";
import { inWorkplace } from "./workplace.ts";

export interface ConsensusOptions {
  readonly program: string;
  /** Rows that are put to three models. */
  readonly rows: number;
  readonly rounds: number;
  readonly concurrency: number;
  /** Share of answers that are wrong, each in its own way. */
  readonly errorRate: number;
  readonly onRound?: (line: string) => void;
}

export const consensusDefaults: ConsensusOptions = {
  program: builtProgram,
  rows: 10_000,
  rounds: 3,
  concurrency: 100,
  errorRate: 0.1,
};

const models = ["m0", "m1", "m2"] as const;
const putToAll = ["--consensus-models", models.join(","), "--consensus", "0.66"];

export async function measureConsensus(options: ConsensusOptions): Promise<{ readonly figures: readonly Figure[] }> {
  return inWorkplace(async (workplace) => ({
    figures: [await compareRates(options, workplace), await measureEconomy(options, workplace)],
  }));
}

async function compareRates(options: ConsensusOptions, workplace: string): Promise<Figure> {
  const calls = options.rows * models.length;
  const inputs = { votes: join(workplace, "votes.jsonl"), plain: join(workplace, "plain.jsonl") };
  await writePrompts(inputs.votes, options.rows);
  await writePrompts(inputs.plain, calls);
  const server = await startInstantServer();
  const rounds: { readonly plain: number; readonly votes: number }[] = [];
  try {
    for (let round = 0; round < options.rounds; round++) {
      const rate = async (input: string, rows: number, args: readonly string[]) =>
        (calls * 1_000) / (await run(options, { workplace, input, rows, baseUrl: server.baseUrl, args }));
      const plain = await rate(inputs.plain, calls, ["--model", "m0"]);
      const votes = await rate(inputs.votes, options.rows, putToAll);
      options.onRound?.(`round ${round + 1}: ${inWords(plain)} plain rows/s · ${inWords(votes)} votes/s`);
      rounds.push({ plain, votes });
    }
  } finally {
    await server.stop();
  }
  const ratio = median(rounds.map(({ plain, votes }) => votes / plain));
  const [votes, plain] = [median(rounds.map((one) => one.votes)), median(rounds.map((one) => one.plain))];
  return {
    what: `${inWords(options.rows)} rows put to 3 models each, against ${inWords(calls)} plain rows`,
    figure: `${ratio.toFixed(2)} × (${inWords(votes)} votes against ${inWords(plain)} rows/s)`,
    goal: "≥ 0.9 ×",
    met: ratio >= 0.9,
  };
}

/** Two of three must agree: the third is asked where the first two differ, as wrong answers are never the same. */
async function measureEconomy(options: ConsensusOptions, workplace: string): Promise<Figure> {
  const { errorRate } = options;
  const rows = Math.ceil(options.rows / 5);
  const input = join(workplace, "economy.jsonl");
  await writePrompts(input, rows);
  const backend: SimulatedBackend = await startSimulatedBackend({
    models: [...models],
    answer: ({ key, body }) =>
      errs(key, String(body.model), errorRate) ? `an error of ${body.model}` : `answer to ${key}`,
  });
  try {
    const task = { simple: { primary: "m0", consensus: { models: [...models], threshold: 0.66, economy: true } } };
    await run(options, { workplace, input, rows, baseUrl: backend.baseUrl, args: [], task });
    const asked = backend.requests() / rows;
    const expected = 2 + (1 - (1 - errorRate) ** 2);
    const deviation = Math.sqrt(((expected - 2) * (3 - expected)) / rows);
    return {
      what: `economy, ${inWords(rows)} rows, 2 of 3 must agree, ${100 * errorRate} % of answers wrong: models asked a row`,
      figure: `${asked.toFixed(3)} (expected ${expected.toFixed(3)} ± ${(2 * deviation).toFixed(3)}; ${(100 * (1 - asked / 3)).toFixed(1)} % of the calls saved)`,
      goal: "as expected",
      met: Math.abs(asked - expected) <= 3 * deviation,
    };
  } finally {
    await backend.close();
  }
}

/** The same in every run. */
function errs(key: string, model: string, rate: number): boolean {
  return createHash("sha256").update(`${key} ${model}`).digest().readUInt32BE() / 2 ** 32 < rate;
}

interface OneRun {
  readonly workplace: string;
  readonly input: string;
  readonly rows: number;
  readonly baseUrl: string;
  readonly args: readonly string[];
  readonly task?: Readonly<Record<string, unknown>>;
}

/** How long it takes, in ms; every row must have its answer, unless two of its models erred. */
async function run({ program, concurrency }: ConsensusOptions, one: OneRun): Promise<number> {
  const { workplace, input, rows, baseUrl, args, task = { simple: { primary: "m0" } } } = one;
  const directory = join(workplace, "run");
  mkdirSync(directory);
  const config = join(directory, "models.json");
  const output = join(directory, outputName);
  writeFileSync(
    config,
    JSON.stringify({
      tiers: { lab: { provider: "openai-compatible", baseUrl, location: "local", concurrency } },
      models: Object.fromEntries(models.map((model) => [model, { tier: "lab", model }])),
      tasks: task,
    }),
  );
  const files = ["--config", config, "--data-dir", join(directory, "data")];
  const { wallMs } = await measureProcess({
    nodeOptions: firstLineOptions(program),
    directory,
    args: [program, "run", input, "-o", output, "--json", ...files, ...args],
    // 2: rows on which two models erred have no consensus.
    exitCodes: one.task === undefined ? [0] : [0, 2],
  });
  if (one.task === undefined) await checkAnswers(output, rows);
  rmSync(directory, { recursive: true });
  return wallMs;
}

if (import.meta.main) {
  const options = readOptions(consensusDefaults);
  printFigures((await measureConsensus({ ...options, onRound: console.log })).figures);
}
