/**
 * Seeded runs with a budget, asked by pools in four processes: what the provider bills never passes it. The provider is
 * SIMULATED, in this process: it bills what it answers, also where the answer is cut off on its way, and fails at random;
 * now and then a pool is killed with calls in flight.
 *   node scripts/bench/budget.ts [--runs 50] [--rows 200] [--pools 4] [--program dist/src/cli.js]
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seededRandom } from "../../test/support/simulated-answers.ts";
import { until } from "../../test/support/until.ts";
import { type ProgramProcess, startProgram } from "../chaos/program-process.ts";
import { startRedisProcess } from "../chaos/redis-process.ts";
import { chatAnswer, startChatServer } from "./chat-server.ts";
import { type Figure, inWords, median } from "./figures.ts";
import { builtProgram } from "./fleet-run.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { inWorkplace } from "./workplace.ts";

export interface BudgetOptions {
  readonly program: string;
  readonly runs: number;
  readonly rows: number;
  readonly pools: number;
}

export const budgetDefaults: BudgetOptions = { program: builtProgram, runs: 50, rows: 200, pools: 4 };

const price = { inputPerMTok: 1_000, outputPerMTok: 10_000 };
const mostTokens = 60;
const latencyMs = 30;
/** One run in so many loses a pool. */
const killEvery = 5;

export interface BudgetResult {
  /** Billed, as a part of each run's budget. */
  readonly used: readonly number[];
  readonly figures: readonly Figure[];
}

export async function measureBudgets({ program, runs, rows, pools }: BudgetOptions): Promise<BudgetResult> {
  let [billedUsd, failures] = [0, 0];
  let random = seededRandom(1);
  const server = await startChatServer((text, response) => {
    const inputTokens = Math.ceil(text.length / 5);
    const outputTokens = Math.ceil(random() * mostTokens);
    const luck = random();
    setTimeout(() => {
      if (luck < 0.05) {
        failures++;
        response.statusCode = 500;
        return void response.end('{"error":{"message":"simulated"}}');
      }
      billedUsd += (inputTokens * price.inputPerMTok + outputTokens * price.outputPerMTok) / 1e6;
      const body = chatAnswer("word", inputTokens, outputTokens);
      if (luck > 0.05 + 0.05) return void response.end(body);
      failures++;
      response.write(body.slice(0, 20), () => response.socket?.resetAndDestroy());
    }, latencyMs);
  });

  try {
    return await inWorkplace(async (workplace) => {
      const redis = await startRedisProcess(join(workplace, "redis"));
      const lab = {
        provider: "openai-compatible",
        baseUrl: server.baseUrl,
        location: "local",
        concurrency: 16,
      };
      writeFileSync(
        join(workplace, "models.json"),
        JSON.stringify({
          tiers: { lab },
          models: { small: { tier: "lab", model: "m", price, maxOutputTokens: mostTokens } },
          tasks: { simple: { primary: "small" } },
        }),
      );
      const start = (args: readonly string[], directory: string): ProgramProcess =>
        startProgram(
          program,
          [
            ...args,
            ...["--config", join(workplace, "models.json"), "--redis", `redis://127.0.0.1:${redis.port}`],
            ...["--data-dir", join(workplace, "data")],
          ],
          directory,
        );
      const startPool = async (): Promise<ProgramProcess> => {
        const pool = start(["work"], workplace);
        await until("a pool to work", () => pool.stderr().includes("working lab") || !pool.isRunning(), 60_000);
        return pool;
      };
      const working = await Promise.all(Array.from({ length: pools }, startPool));
      const used: number[] = [];
      try {
        for (let seed = 1; seed <= runs; seed++) {
          random = seededRandom(seed);
          billedUsd = 0;
          const directory = join(workplace, `run-${seed}`);
          mkdirSync(directory);
          const lines = Array.from({ length: rows }, (_, row) =>
            JSON.stringify({ prompt: `${seed} ${row} ${"word ".repeat(Math.floor(random() * 40))}` }),
          );
          writeFileSync(join(directory, "in.jsonl"), `${lines.join("\n")}\n`);
          // Enough for a part of the rows, at what they cost on average.
          const meanUsd = (60 * price.inputPerMTok + (mostTokens / 2) * price.outputPerMTok) / 1e6;
          const budgetUsd = Number((rows * meanUsd * (0.2 + 0.6 * random())).toFixed(2));
          const run = start(
            ["run", "in.jsonl", "-o", "out.jsonl", "--no-pools", "--json", "--budget", `${budgetUsd}`],
            directory,
          );
          if (seed % killEvery === 0) {
            await until("calls to be in flight", () => billedUsd > budgetUsd / 4 || !run.isRunning(), 60_000);
            working.shift()!.signal("SIGKILL");
            working.push(await startPool());
          }
          const code = await run.ended;
          if (code !== 3 && code !== 0) throw new Error(`run ${seed} ended with ${code}: ${run.stderr()}`);
          used.push(billedUsd / budgetUsd);
        }
        return { used, figures: [figureOf(used, pools, failures)] };
      } finally {
        for (const pool of working) pool.signal("SIGKILL");
        await Promise.all(working.map(({ ended }) => ended));
        await redis.close();
      }
    });
  } finally {
    server.close();
  }
}

function figureOf(used: readonly number[], pools: number, failures: number): Figure {
  const most = Math.max(...used);
  return {
    what: `${used.length} seeded runs with a budget, ${pools} pool processes, ${inWords(failures)} failed or cut-off calls, a pool killed in every ${killEvery}th: runs that passed their budget (billed of the budget, median and most)`,
    figure: `${used.filter((share) => share > 1).length} (${(100 * median(used)).toFixed(1)} %, ${(100 * most).toFixed(1)} %)`,
    goal: "0",
    met: most <= 1,
  };
}

if (import.meta.main) printFigures((await measureBudgets(readOptions(budgetDefaults))).figures);
