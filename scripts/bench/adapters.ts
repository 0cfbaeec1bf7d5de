/**
 * What an adapter costs: CPU of a call through each of them and through undici alone, on a simulated server that
 * answers at once. The sides take turns; each is a process of its own.
 *   node scripts/bench/adapters.ts [--calls 10000] [--rounds 3] [--concurrency 100]
 */
import { join } from "node:path";
import { type Figure, median } from "./figures.ts";
import { measureProcess } from "./measure-process.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { startSimulatedServer } from "./simulated-server.ts";
import { inWorkplace } from "./workplace.ts";

export interface AdaptersOptions {
  readonly calls: number;
  readonly rounds: number;
  readonly concurrency: number;
  readonly onRound?: (line: string) => void;
}

export const adaptersDefaults: AdaptersOptions = { calls: 10_000, rounds: 3, concurrency: 100 };

const adapters = ["openai-compatible", "ollama", "openai", "anthropic"] as const;
const sides = ["undici", ...adapters] as const;
type Side = (typeof sides)[number];

/** µs of CPU that a call may cost above undici alone. */
const goal = 500;

export interface AdaptersResult {
  /** CPU µs of a call. */
  readonly rounds: readonly Record<Side, number>[];
  readonly figures: readonly Figure[];
}

export async function measureAdapters(options: AdaptersOptions): Promise<AdaptersResult> {
  return inWorkplace(async (directory) => {
    const server = await startSimulatedServer();
    const program = join(import.meta.dirname, "side-adapter.ts");
    const rounds: Record<Side, number>[] = [];
    try {
      for (let round = 0; round < options.rounds; round++) {
        const measured: Partial<Record<Side, number>> = {};
        for (const side of sides) {
          const args = [program, side, `http://127.0.0.1:${server.port}`, `${options.calls}`, `${options.concurrency}`];
          measured[side] = Number((await measureProcess({ directory, args })).stdout);
        }
        rounds.push(measured as Record<Side, number>);
        const words = sides.map((side) => `${side} ${measured[side]?.toFixed(0)}`);
        options.onRound?.(`round ${round + 1}: CPU µs a call: ${words.join(" · ")}`);
      }
    } finally {
      await server.stop();
    }
    return { rounds, figures: [figureOf(options, rounds)] };
  });
}

function figureOf({ concurrency }: AdaptersOptions, rounds: readonly Record<Side, number>[]): Figure {
  // Within a round, as what else the machine does weighs on the sides of one round alike.
  const added = adapters.map((adapter) => median(rounds.map((round) => round[adapter] - round.undici)));
  const words = adapters.map((adapter, index) => `${adapter} ${added[index]?.toFixed(0)}`);
  const alone = median(rounds.map((round) => round.undici));
  return {
    what: `CPU µs that an adapter adds to a call, ${concurrency} at a time, to the ${alone.toFixed(0)} of undici alone`,
    figure: words.join(" · "),
    goal: `≤ ${goal}`,
    met: added.every((one) => one <= goal),
  };
}

if (import.meta.main) {
  const options = readOptions(adaptersDefaults);
  printFigures((await measureAdapters({ ...options, onRound: console.log })).figures);
}
