import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { firstLineOptions } from "../bench/fleet-run.ts";

/** One `promptfleet` process. */
export interface ProgramProcess {
  readonly pid: number;
  readonly isRunning: () => boolean;
  stdout(): string;
  stderr(): string;
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  signal(signal: NodeJS.Signals): void;
  /** Sets its wall clock, if it has one of its own, to the system's and so much; within a twentieth of a second. */
  setClock(aheadMs: number): void;
  /** User and system time so far, in ms; Linux only. */
  cpuMs(): number;
  /** Resident memory now, in MB; Linux only. */
  rssMb(): number;
}

const msPerTick = 10;

const steppingClock = join(import.meta.dirname, "..", "..", "test", "support", "stepping-clock.ts");

/** @param clock the file of its wall clock, which then can be set. */
export function startProgram(
  program: string,
  args: readonly string[],
  directory: string,
  clock?: string,
): ProgramProcess {
  const setClock = (aheadMs: number): void => writeFileSync(clock!, String(Math.round(aheadMs)));
  if (clock !== undefined) setClock(0);
  const withClock = clock === undefined ? [] : ["--import", steppingClock];
  const child = spawn(process.execPath, [...firstLineOptions(program), ...withClock, program, ...args], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, HOME: directory, PROMPTFLEET_TEST_CLOCK: clock },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout = (stdout + text).slice(-100_000);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-100_000);
  });
  const ended = new Promise<number | string>((resolve) => {
    child.once("close", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
  const pid = child.pid!;
  return {
    pid,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    signal: (signal) => void child.kill(signal),
    setClock,
    cpuMs() {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return (Number(fields[11]) + Number(fields[12])) * msPerTick;
    },
    rssMb: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024,
  };
}

/** The object of the last line of `run --json`. */
export function summaryOf(run: ProgramProcess): Record<string, number> {
  return JSON.parse(run.stdout().trimEnd().split("\n").at(-1) ?? "") as Record<string, number>;
}
