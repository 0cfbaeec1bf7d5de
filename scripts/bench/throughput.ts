/**
 * End to end on a simulated server that answers at once: `promptfleet run`, every row durable, against (a) the script
 * that everyone writes and (b) the BullMQ tutorial. The sides take turns; each is a process of its own, timed whole.
 *   node scripts/bench/throughput.ts [--rows 20000] [--rounds 3] [--concurrency 100] [--program dist/src/cli.js]
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Figure, inWords, median } from "./figures.ts";
import { builtProgram, measureFleetRun } from "./fleet-run.ts";
import { measureProcess, type ProcessMeasure } from "./measure-process.ts";
import { startPrivateRedis } from "./private-redis.ts";
import { checkAnswers, writePrompts } from "./prompts.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { type SimulatedServer, startInstantServer } from "./simulated-server.ts";
import { type RedisMeasure, watchRedis } from "./watch-redis.ts";
import { inWorkplace } from "./workplace.ts";

export interface ThroughputOptions {
  readonly program: string;
  readonly rows: number;
  readonly rounds: number;
  readonly concurrency: number;
  readonly onRound?: (line: string) => void;
}

export const throughputDefaults: ThroughputOptions = {
  program: builtProgram,
  rows: 20_000,
  rounds: 3,
  concurrency: 100,
};

const sides = ["promptfleet", "openai script", "BullMQ tutorial"] as const;
type Side = (typeof sides)[number];

/** One side in one round. */
export interface SideMeasure {
  readonly rowsPerSecond: number;
  /** Between the first and the last request as the server saw them: start and end of the process left out. */
  readonly rowsPerSecondInside: number;
  readonly clientCpuMsPerRow: number;
  readonly clientPeakRssMb: number;
  readonly redisCpuMsPerRow: number;
  readonly redisPeakMb: number;
}

export interface ThroughputResult {
  readonly rounds: readonly Record<Side, SideMeasure>[];
  readonly redisVersion: string;
  readonly figures: readonly Figure[];
}

interface Place {
  readonly server: SimulatedServer;
  readonly directory: string;
  readonly input: string;
  readonly options: ThroughputOptions;
}

type Measured = { readonly client: ProcessMeasure; readonly redis?: RedisMeasure };

const runSide: Record<Side, (place: Place) => Promise<Measured>> = {
  promptfleet: ({ server, directory, input, options }) =>
    measureFleetRun({ ...options, directory, input, port: server.port }),

  "openai script": async ({ server, directory, input, options }) => {
    const output = join(directory, "output.jsonl");
    const program = join(import.meta.dirname, "side-openai-script.ts");
    const args = [program, input, output, server.baseUrl, `${options.concurrency}`];
    const client = await measureProcess({ directory, args });
    await checkAnswers(output, options.rows);
    return { client };
  },

  "BullMQ tutorial": async ({ server, directory, input, options }) => {
    const output = join(directory, "output.jsonl");
    const program = join(import.meta.dirname, "side-bullmq-tutorial.ts");
    const redis = await startPrivateRedis(join(directory, "redis"));
    const watch = watchRedis(redis.socketPath);
    try {
      const args = [program, input, output, server.baseUrl, `${options.concurrency}`, redis.socketPath];
      const client = await measureProcess({ directory, args });
      await checkAnswers(output, options.rows);
      return { client, redis: await watch.stop() };
    } finally {
      await watch.stop();
      await redis.stop();
    }
  },
};

export async function measureThroughput(options: ThroughputOptions): Promise<ThroughputResult> {
  return inWorkplace(async (workplace) => {
    const input = join(workplace, "input.jsonl");
    await writePrompts(input, options.rows);
    const server = await startInstantServer();
    const rounds: Record<Side, SideMeasure>[] = [];
    let redisVersion = "";
    try {
      for (let round = 0; round < options.rounds; round++) {
        const measured: Partial<Record<Side, SideMeasure>> = {};
        for (const side of sides) {
          const directory = join(workplace, "side");
          mkdirSync(directory);
          await server.reset();
          const { client, redis } = await runSide[side]({ server, directory, input, options });
          rmSync(directory, { recursive: true });
          redisVersion = redis?.version || redisVersion;
          measured[side] = {
            rowsPerSecond: (options.rows * 1_000) / client.wallMs,
            rowsPerSecondInside: (options.rows * 1_000) / (await server.stats()).spanMs,
            clientCpuMsPerRow: client.cpuMs / options.rows,
            clientPeakRssMb: client.peakRssMb,
            redisCpuMsPerRow: (redis?.cpuMs ?? 0) / options.rows,
            redisPeakMb: redis?.peakMb ?? 0,
          };
          options.onRound?.(`round ${round + 1}: ${side.padEnd(15)} ${describe(measured[side])}`);
        }
        rounds.push(measured as Record<Side, SideMeasure>);
      }
    } finally {
      await server.stop();
    }
    return { rounds, redisVersion, figures: figuresOf(options, rounds) };
  });
}

function describe(side: SideMeasure): string {
  return [
    `${inWords(side.rowsPerSecond)} rows/s`,
    `(${inWords(side.rowsPerSecondInside)} between first and last request)`,
    `CPU ms a row: client ${side.clientCpuMsPerRow.toFixed(3)}, Redis ${side.redisCpuMsPerRow.toFixed(3)}`,
    `peak MB: client ${inWords(side.clientPeakRssMb)}, Redis ${inWords(side.redisPeakMb)}`,
  ].join(" · ");
}

function figuresOf({ rows, concurrency }: ThroughputOptions, rounds: readonly Record<Side, SideMeasure>[]): Figure[] {
  const middle = (side: Side, value: keyof SideMeasure): number => median(rounds.map((round) => round[side][value]));
  const ours = middle("promptfleet", "rowsPerSecond");
  const cpuOf = (side: Side): string =>
    `${middle(side, "clientCpuMsPerRow").toFixed(2)} + ${middle(side, "redisCpuMsPerRow").toFixed(2)}`;

  // Within a round, as what else the machine does weighs on the sides of one round alike.
  function against(side: Side, what: string, goal: number): Figure {
    const ratio = median(rounds.map((round) => round.promptfleet.rowsPerSecond / round[side].rowsPerSecond));
    return {
      what: `\`run\` of ${inWords(rows)} one-KB prompts, ${concurrency} at a time, against ${what}`,
      figure: `${ratio.toFixed(2)} × (${inWords(ours)} against ${inWords(middle(side, "rowsPerSecond"))} rows/s)`,
      goal: `≥ ${goal.toFixed(1)} ×`,
      met: ratio >= goal,
    };
  }
  return [
    against("openai script", "the openai SDK with p-limit, appending to a JSONL", 2),
    against("BullMQ tutorial", "the BullMQ tutorial (one worker, openai SDK, answers as return values)", 2.5),
    {
      what: "CPU ms a row, client + Redis: promptfleet · openai SDK with p-limit · BullMQ tutorial",
      figure: sides.map(cpuOf).join(" · "),
      goal: "",
    },
    {
      what: "`run`, rows a second between its first and its last request",
      figure: inWords(middle("promptfleet", "rowsPerSecondInside")),
      goal: "",
    },
  ];
}

if (import.meta.main) {
  const options = readOptions(throughputDefaults);
  printFigures((await measureThroughput({ ...options, onRound: console.log })).figures);
}
