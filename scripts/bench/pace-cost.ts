/**
 * What limits cost: Redis' CPU a row with limits that are never reached and without any, and the CPU of a pool that is
 * held to a rate. The server is SIMULATED and answers at once.
 *   node scripts/bench/pace-cost.ts [--rows 20000] [--perSecond 500] [--seconds 20] [--program dist/src/cli.js]
 */
import { join } from "node:path";
import { type Figure, inWords } from "./figures.ts";
import { builtProgram, measureFleetRun } from "./fleet-run.ts";
import { writePrompts } from "./prompts.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { startInstantServer } from "./simulated-server.ts";
import { inWorkplace } from "./workplace.ts";

export interface PaceCostOptions {
  readonly program: string;
  readonly rows: number;
  readonly perSecond: number;
  readonly seconds: number;
}

export const paceCostDefaults: PaceCostOptions = { program: builtProgram, rows: 20_000, perSecond: 500, seconds: 20 };

const goalMicroseconds = 60;
const goalShare = 0.4;
const farAway = { rpm: 100_000_000, tpm: 1_000_000_000_000 };

export async function measurePaceCost(options: PaceCostOptions): Promise<{ readonly figures: readonly Figure[] }> {
  const { program, rows, perSecond, seconds } = options;
  const server = await startInstantServer();
  try {
    return await inWorkplace(async (workplace) => {
      async function run(name: string, count: number, limits: object | undefined) {
        const input = join(workplace, `${name}.jsonl`);
        await writePrompts(input, count);
        const { port, baseUrl } = server;
        const lab = { provider: "openai-compatible", baseUrl, location: "local", concurrency: 100, limits };
        const models = { small: { tier: "lab", model: "sim" } };
        const config = { tiers: { lab }, models, tasks: { simple: { primary: "small" } } };
        return measureFleetRun({ program, directory: join(workplace, name), input, rows: count, port, config });
      }
      const without = await run("without", rows, undefined);
      const withLimits = await run("with-limits", rows, farAway);
      const paced = await run("paced", perSecond * seconds, { rpm: perSecond * 60 });
      // What every run of the program costs once, its start and end.
      const started = await run("start", 50, undefined);
      const microseconds = ({ redis }: typeof without): number => (redis.cpuMs * 1_000) / rows;
      const share = (paced.client.cpuMs - started.client.cpuMs) / paced.client.wallMs;
      const pacedRate = (1_000 * perSecond * seconds) / paced.client.wallMs;
      return {
        figures: [
          {
            what: "Redis CPU of a row whose model has limits, all of it (without limits)",
            figure: `${inWords(microseconds(withLimits))} µs (${inWords(microseconds(without))} µs)`,
            goal: `≤ ${goalMicroseconds} µs`,
            met: microseconds(withLimits) <= goalMicroseconds,
          },
          {
            what: `CPU of a process held to ${perSecond} rows/s, adapter, intake and output included (${inWords(pacedRate)} rows/s, start included)`,
            figure: `${(100 * share).toFixed(0)} % of a core`,
            goal: `≤ ${100 * goalShare} %`,
            met: share <= goalShare,
          },
        ],
      };
    });
  } finally {
    await server.stop();
  }
}

if (import.meta.main) printFigures((await measurePaceCost(readOptions(paceCostDefaults))).figures);
