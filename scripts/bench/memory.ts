/**
 * Whether memory stays flat: peaks of the program and of its Redis for a large batch against one a tenth of its size,
 * and how soon the first answer of the large one is on disk.
 *   node scripts/bench/memory.ts [--rows 200000] [--concurrency 100] [--program dist/src/cli.js]
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Figure, inWords } from "./figures.ts";
import { watchFirstAnswer } from "./first-answer.ts";
import { builtProgram, measureFleetRun, outputName } from "./fleet-run.ts";
import { writePrompts } from "./prompts.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { type SimulatedServer, startInstantServer } from "./simulated-server.ts";
import { inWorkplace } from "./workplace.ts";

export interface MemoryOptions {
  readonly program: string;
  /** Of the large batch; the small one is a tenth. */
  readonly rows: number;
  readonly concurrency: number;
}

export const memoryDefaults: MemoryOptions = { program: builtProgram, rows: 200_000, concurrency: 100 };

export interface MemoryMeasure {
  readonly rows: number;
  readonly programPeakRssMb: number;
  readonly redisPeakMb: number;
  readonly redisPeakRssMb: number;
  /** From the start of the command to the first byte in its segment. */
  readonly firstAnswerMs: number;
}

export interface MemoryResult {
  readonly small: MemoryMeasure;
  readonly large: MemoryMeasure;
  readonly figures: readonly Figure[];
}

/** What the goal grants the program for each row: its place in the index. */
const indexBytesPerRow = 32;
const mostGrowth = 1.25;

export async function measureMemory(options: MemoryOptions): Promise<MemoryResult> {
  const server = await startInstantServer();
  try {
    const small = await measureRows({ ...options, rows: Math.ceil(options.rows / 10) }, server);
    const large = await measureRows(options, server);
    return { small, large, figures: figuresOf(small, large) };
  } finally {
    await server.stop();
  }
}

async function measureRows({ program, rows, concurrency }: MemoryOptions, server: SimulatedServer) {
  return inWorkplace(async (workplace): Promise<MemoryMeasure> => {
    const input = join(workplace, "input.jsonl");
    await writePrompts(input, rows);
    await server.reset();
    const directory = join(workplace, "run");
    mkdirSync(directory);
    const firstAnswer = watchFirstAnswer(directory, outputName);
    try {
      const { client, redis } = await measureFleetRun({
        program,
        directory,
        input,
        rows,
        port: server.port,
        concurrency,
      });
      return {
        rows,
        programPeakRssMb: client.peakRssMb,
        redisPeakMb: redis.peakMb,
        redisPeakRssMb: redis.peakRssMb,
        firstAnswerMs: firstAnswer.afterMs(),
      };
    } finally {
      firstAnswer.stop();
    }
  });
}

function figuresOf(small: MemoryMeasure, large: MemoryMeasure): Figure[] {
  const indexMb = ({ rows }: MemoryMeasure): number => (rows * indexBytesPerRow) / 1024 ** 2;
  const program = (large.programPeakRssMb - indexMb(large)) / (small.programPeakRssMb - indexMb(small));
  const redis = large.redisPeakMb / small.redisPeakMb;
  const rows = `${inWords(large.rows)} one-KB prompts against ${inWords(small.rows)}`;
  const peaks = (growth: number, one: number, other: number): string =>
    `${growth.toFixed(2)} × (${inWords(one)} against ${inWords(other)} MB)`;
  return [
    {
      what: `Peak memory of the program (RSS), ${rows}, without ${indexBytesPerRow} bytes a row of index`,
      figure: peaks(program, large.programPeakRssMb, small.programPeakRssMb),
      goal: `≤ ${mostGrowth} ×, below 250 MB`,
      met: program <= mostGrowth && large.programPeakRssMb < 250,
    },
    {
      what: `Peak memory of Redis, ${rows}`,
      figure: `${peaks(redis, large.redisPeakMb, small.redisPeakMb)}, RSS ${inWords(large.redisPeakRssMb)} MB`,
      goal: `≤ ${mostGrowth} ×, below 50 MB`,
      met: redis <= mostGrowth && large.redisPeakMb < 50,
    },
    {
      what: `First answer on disk, from the start of the command, ${inWords(large.rows)} rows`,
      figure: `${(large.firstAnswerMs / 1_000).toFixed(2)} s`,
      goal: "≤ 2 s",
      met: large.firstAnswerMs <= 2_000,
    },
  ];
}

if (import.meta.main) printFigures((await measureMemory(readOptions(memoryDefaults))).figures);
