import { type ChildProcess, spawn } from "node:child_process";
import { tmpdir } from "node:os";

export interface ProgramRun {
  /** Absolute path. */
  readonly file: string;
  readonly args: readonly string[];
  /** All that it sees of the environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Given on its standard input, which is then closed: whoever asks for more finds the end. */
  readonly input: string;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

export type ProgramEnd =
  | { readonly kind: "exited"; readonly code: number; readonly stdout: string; readonly stderr: string }
  /** By a signal that is not ours. */
  | { readonly kind: "killed"; readonly signal: string; readonly stderr: string }
  | { readonly kind: "too-much-output"; readonly bytes: number }
  | { readonly kind: "timed-out" }
  | { readonly kind: "cancelled" }
  /** `code` as the system names it, such as ENOENT or EAGAIN. */
  | { readonly kind: "not-started"; readonly code: string };

export const longestOutputBytes = 16 * 1024 * 1024;
const longestErrorBytes = 64 * 1024;
/** From the request to end to the end by force. */
const graceMs = 1_000;
/** How long a process that has left its group may hold the output open after the program has ended. */
const lingerMs = 500;

/**
 * Becomes the program, and leaves a watcher in its group that ends them all when this process is gone, however it went:
 * a pipe that only this process holds open is closed then. What is run are arguments, which the shell does not read.
 */
const watched = '(read -r _ <&3; kill -KILL 0) >/dev/null 2>&1 & exec 3<&-; exec "$@"';

/**
 * Runs a program to its end in a process group of its own, so that what it started dies with it: at the deadline, at an
 * abort, when it ends by itself, and when this process dies.
 */
export function runProgram(run: ProgramRun): Promise<ProgramEnd> {
  const { file, args, environment, input, signal, timeoutMs } = run;
  if (signal.aborted) return Promise.resolve({ kind: "cancelled" });
  return new Promise((resolve) => {
    let child: ChildProcess;
    try {
      // In a folder of nobody's, so that no project's settings are found there.
      child = spawn("/bin/sh", ["-c", watched, "sh", file, ...args], {
        cwd: tmpdir(),
        env: environment,
        detached: true,
        stdio: ["pipe", "pipe", "pipe", "pipe"],
      });
    } catch (error) {
      // An argument that the system does not take.
      resolve({ kind: "not-started", code: codeOf(error) });
      return;
    }
    let cut: ProgramEnd | undefined;
    const timers = new Set<NodeJS.Timeout>();
    const after = (delayMs: number, act: () => void): void => void timers.add(setTimeout(act, delayMs));

    function settle(end: ProgramEnd): void {
      for (const timer of timers) clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      resolve(end);
    }
    function stop(end: ProgramEnd): void {
      if (cut !== undefined) return;
      cut = end;
      signalGroup(child, "SIGTERM");
      after(graceMs, () => signalGroup(child, "SIGKILL"));
    }
    const onAbort = (): void => stop({ kind: "cancelled" });
    signal.addEventListener("abort", onAbort);
    after(timeoutMs, () => stop({ kind: "timed-out" }));

    const stdout = collect(child.stdout, longestOutputBytes, (bytes) => {
      // It would be asked in vain: a program that floods its output seldom listens.
      stop({ kind: "too-much-output", bytes });
      signalGroup(child, "SIGKILL");
    });
    const stderr = collect(child.stderr, longestErrorBytes, () => {});
    // A program may end without having read its input.
    for (const stream of child.stdio) stream?.on("error", () => {});
    child.stdin?.end(input);

    child.on("error", (error) => {
      if (child.pid === undefined) settle({ kind: "not-started", code: codeOf(error) });
    });
    child.on("exit", () => {
      signalGroup(child, "SIGKILL");
      after(lingerMs, () => {
        for (const stream of child.stdio) stream?.destroy();
      });
    });
    child.on("close", (code, killedBy) => {
      if (cut !== undefined) settle(cut);
      else if (code !== null) settle({ kind: "exited", code, stdout: stdout(), stderr: stderr() });
      else settle({ kind: "killed", signal: killedBy ?? "a signal", stderr: stderr() });
    });
  });
}

/** To the program and all that it started, unless they have ended. */
function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody is left in the group.
  }
}

/** Keeps the first bytes of a stream and reads on, so that the writer does not stall. */
function collect(stream: NodeJS.ReadableStream | null, mostBytes: number, onOverflow: (bytes: number) => void) {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream?.on("data", (chunk: Buffer) => {
    if (bytes < mostBytes) chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > mostBytes) onOverflow(bytes);
  });
  return (): string => Buffer.concat(chunks).toString("utf8");
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException | undefined)?.code ?? error);
}
