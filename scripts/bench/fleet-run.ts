import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { measureProcess, type ProcessMeasure } from "./measure-process.ts";
import { checkAnswers } from "./prompts.ts";
import { type RedisMeasure, watchRedis } from "./watch-redis.ts";

/** The program as a user has it. */
export const builtProgram = join(import.meta.dirname, "..", "..", "dist", "src", "cli.js");

export interface FleetRun {
  /** Path of the bin to run. */
  readonly program: string;
  /** A directory of this run's own; OUTPUT and the data directory are made in it. */
  readonly directory: string;
  readonly input: string;
  readonly rows: number;
  readonly port: number;
  /** Default: "auto". */
  readonly concurrency?: number | undefined;
  /** A whole models.json, instead of one made of the server's port and the concurrency. */
  readonly config?: object;
  readonly nodeOptions?: readonly string[];
}

/** The options that the bin's first line gives to Node when the system starts it. */
export function firstLineOptions(program: string): string[] {
  const line = readFileSync(program, "utf8").split("\n", 1)[0]!;
  return /\bnode (.+)$/.exec(line)?.[1]?.split(" ") ?? [];
}

export const outputName = "output.jsonl";

/**
 * One `promptfleet run` from an empty data directory, its embedded Redis included: started, used and ended by it.
 * @throws Error when it fails or a row has no answer.
 */
export async function measureFleetRun(run: FleetRun): Promise<{ client: ProcessMeasure; redis: RedisMeasure }> {
  const { program, directory, input, rows, nodeOptions = [] } = run;
  mkdirSync(directory, { recursive: true });
  const dataDirectory = join(directory, "data");
  const output = join(directory, outputName);
  const watch = watchRedis(join(dataDirectory, "redis", "redis.sock"));
  try {
    const client = await measureProcess({
      nodeOptions: [...firstLineOptions(program), ...nodeOptions],
      directory,
      args: [program, ...["run", input, "-o", output, "--json", "--data-dir", dataDirectory], ...whereToAsk(run)],
    });
    await checkAnswers(output, rows);
    return { client, redis: await watch.stop() };
  } finally {
    await watch.stop();
  }
}

function whereToAsk({ directory, port, concurrency, config }: FleetRun): string[] {
  if (config !== undefined) {
    const path = join(directory, "models.json");
    writeFileSync(path, JSON.stringify(config));
    return ["--config", path];
  }
  return [
    ...["--base-url", `http://127.0.0.1:${port}/v1`, "--model", "sim"],
    ...(concurrency === undefined ? [] : ["--concurrency", `127.0.0.1-${port}=${concurrency}`]),
  ];
}
