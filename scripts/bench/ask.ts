/**
 * What asking several models at once costs above the slowest of them, in a warm fleet, against SIMULATED servers of
 * different speed: node scripts/bench/ask.ts [--questions N]
 */
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { askTogether, planQuestion } from "../../src/ask-models.ts";
import { loadConfig } from "../../src/config/load.ts";
import { openFleet } from "../../src/open-fleet.ts";
import { type Figure, inWords, median } from "./figures.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { startSimulatedServer } from "./simulated-server.ts";
import { inWorkplace } from "./workplace.ts";

export const askDefaults = { questions: 200, latenciesMs: [40, 80, 160] };

export interface AskMeasured {
  /** Milliseconds above the slowest model's own call, one a question, in their order. */
  readonly aboveSlowestMs: readonly number[];
  /** The same, with the question's own preparations (its batch in Redis) counted in. */
  readonly withOpeningMs: readonly number[];
  readonly figures: readonly Figure[];
}

/** Questions that only warm the fleet. */
const warmUp = 5;

export async function measureAsk({ questions, latenciesMs }: typeof askDefaults): Promise<AskMeasured> {
  const servers = await Promise.all(
    latenciesMs.map((latencyMs) => startSimulatedServer({ latencyMs, sigma: 0, slots: 64 })),
  );
  try {
    return await inWorkplace(async (directory) => {
      const named = <Value>(value: (at: number) => Value) =>
        Object.fromEntries(servers.map((_server, at) => [`m${at}`, value(at)]));
      const config = await loadConfig({
        config: {
          tiers: named((at) => ({
            provider: "openai-compatible" as const,
            baseUrl: servers[at]!.baseUrl,
            location: "local" as const,
            concurrency: 16,
          })),
          models: named((at) => ({ tier: `m${at}`, model: "simulated-model" })),
          tasks: { simple: { primary: "m0" } },
        },
      });
      const { fleet, plan, leaveRedis } = await openFleet({ config, dataDirectory: join(directory, "data") });
      const [above, withOpening]: [number[], number[]] = [[], []];
      for (let question = 0; question < warmUp + questions; question++) {
        const openedMs = performance.now();
        await askTogether({ fleet, withPools: true, timeoutMs: 60_000 }, async (ask) => {
          const enqueuedMs = performance.now();
          const results = await Promise.all(
            servers.map((_server, at) =>
              ask(planQuestion({ prompt: `say something about #q${question}`, model: `m${at}` }, `m${at}`, plan)),
            ),
          );
          const endedMs = performance.now();
          if (results.some(({ status }) => status !== "answered")) throw new Error("a model did not answer");
          const slowestMs = Math.max(...results.map(({ latency_ms }) => latency_ms));
          if (question < warmUp) return;
          above.push(endedMs - enqueuedMs - slowestMs);
          withOpening.push(endedMs - openedMs - slowestMs);
        });
      }
      await fleet.leave(false);
      await fleet.close();
      await leaveRedis();
      return { aboveSlowestMs: above, withOpeningMs: withOpening, figures: figuresOf(latenciesMs, above, withOpening) };
    });
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}

function figuresOf(latenciesMs: readonly number[], above: readonly number[], withOpening: readonly number[]): Figure[] {
  const worst = percentile(above, 0.95);
  return [
    {
      what: `one question to ${latenciesMs.length} models (${latenciesMs.join(", ")} ms) in a warm fleet, from enqueue: ms above the slowest call, median and 95 %`,
      figure: `${inWords(median(above))} and ${inWords(worst)}`,
      goal: "≤ 30",
      met: worst <= 30,
    },
    {
      what: "the same with its batch opened first",
      figure: `${inWords(median(withOpening))} and ${inWords(percentile(withOpening, 0.95))}`,
      goal: "",
    },
  ];
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}

if (import.meta.main) printFigures((await measureAsk(readOptions(askDefaults))).figures);
