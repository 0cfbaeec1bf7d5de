import { spawn } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

/** A whole Node process, from its start to its end. */
export interface ProcessMeasure {
  readonly wallMs: number;
  /** User and system time of all its threads. */
  readonly cpuMs: number;
  readonly peakRssMb: number;
  readonly stdout: string;
}

export interface ProcessToMeasure {
  /** Options of Node itself. */
  readonly nodeOptions?: readonly string[];
  /** The program and its arguments. */
  readonly args: readonly string[];
  /** Its working directory; also where it leaves word of what it used. */
  readonly directory: string;
  /** Those that are no failure. Default: 0 alone. */
  readonly exitCodes?: readonly number[];
}

/** What would make a run use another Redis or configuration than the benchmark gives it. */
const disturbingVariables = ["REDIS_URL", "PROMPTFLEET_CONFIG", "PROMPTFLEET_FLEET", "PROMPTFLEET_DATA_DIR"];

/**
 * Runs a Node program to its end. The process itself says what it used when it exits, so that sides written
 * differently are measured alike, on every system.
 * @throws Error with the end of its stderr when it exits with another code.
 */
export async function measureProcess({
  nodeOptions = [],
  args,
  directory,
  exitCodes = [0],
}: ProcessToMeasure): Promise<ProcessMeasure> {
  const usagePath = join(directory, "usage.json");
  rmSync(usagePath, { force: true });
  const startedMs = performance.now();
  const child = spawn(process.execPath, [...nodeOptions, "--import", reportUsageTo(usagePath), ...args], {
    cwd: directory,
    env: quietEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-4_000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const wallMs = performance.now() - startedMs;
  if (code === null || !exitCodes.includes(code)) throw new Error(`${args.join(" ")}\nexited with ${code}:\n${stderr}`);
  const usage = JSON.parse(readFileSync(usagePath, "utf8")) as NodeJS.ResourceUsage;
  return {
    wallMs,
    cpuMs: (usage.userCPUTime + usage.systemCPUTime) / 1_000,
    peakRssMb: usage.maxRSS / 1_024,
    stdout,
  };
}

/** A module that is loaded before the program; as JavaScript in a URL it costs every side next to nothing. */
function reportUsageTo(path: string): string {
  const source = `import { writeFileSync } from "node:fs";
process.on("exit", () => writeFileSync(${JSON.stringify(path)}, JSON.stringify(process.resourceUsage())));`;
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

function quietEnvironment(): NodeJS.ProcessEnv {
  const environment: NodeJS.ProcessEnv = { ...process.env, NODE_NO_WARNINGS: "1" };
  for (const name of disturbingVariables) delete environment[name];
  return environment;
}
