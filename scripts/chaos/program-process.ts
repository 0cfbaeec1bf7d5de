import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
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
  /** User and system time so far, in ms; Linux only. */
  cpuMs(): number;
  /** Resident memory now, in MB; Linux only. */
  rssMb(): number;
}

const msPerTick = 10;

export function startProgram(program: string, args: readonly string[], directory: string): ProgramProcess {
  const child = spawn(process.execPath, [...firstLineOptions(program), program, ...args], {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, HOME: directory },
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
