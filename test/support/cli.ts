import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readVariable } from "../../src/config/environment.ts";
import type { ConfigFile } from "../../src/config/schema.ts";
import { afterTests } from "./clean-up.ts";
import { type SimulatedBackend, startSimulatedBackend } from "./simulated-backend.ts";
import { until } from "./until.ts";

const program = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));

export interface Ended {
  /** The exit code, or the signal that ended it. */
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliProcess {
  readonly pid: number;
  /** What it has said so far. */
  stderr(): string;
  stdout(): string;
  readonly ended: Promise<Ended>;
  /** To it and to what it started in its process group, as Ctrl-C on a terminal does. */
  signal(signal: NodeJS.Signals): void;
}

/** A folder with a config, an input and a data directory, on a SIMULATED backend; cleaned up after the test. */
export interface Project {
  readonly folder: string;
  readonly backend: SimulatedBackend;
  readonly input: string;
  readonly output: string;
  readonly dataDirectory: string;
  path(name: string): string;
  write(name: string, content: string): string;
  /** Starts `promptfleet` with these arguments; the config and the data directory are added. */
  start(args: readonly string[], options?: { readonly stdin?: string; readonly bare?: boolean }): CliProcess;
  /** Runs `promptfleet run INPUT -o OUTPUT` with more arguments to its end. */
  run(...args: string[]): Promise<Ended>;
  /** The pid of its embedded Redis while that runs. */
  redisPid(): Promise<number | undefined>;
}

export interface ProjectOptions {
  /** Variables of its processes, beside the few that they always have. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly rows?: number;
  readonly backend?: Parameters<typeof startSimulatedBackend>[0];
  readonly concurrency?: number;
  /** More tiers, models and tasks beside `lab`, `small` and `simple`. */
  readonly config?: Partial<ConfigFile>;
}

/** Lines `{"id":"r0","prompt":"say something about #r0"}`, … */
export function inputLines(count: number): string {
  return Array.from({ length: count }, (_, row) => `{"id":"r${row}","prompt":"say something about #r${row}"}\n`).join(
    "",
  );
}

export async function givenProject(options: ProjectOptions = {}): Promise<Project> {
  const backend = await startSimulatedBackend(options.backend);
  const folder = mkdtempSync(join(tmpdir(), "pf-cli-"));
  const path = (name: string) => join(folder, name);
  const dataDirectory = path("data");
  const socketPath = join(dataDirectory, "redis", "redis.sock");
  const children: ChildProcess[] = [];
  afterTests(async () => {
    for (const child of children) child.kill("SIGKILL");
    await redisSays(socketPath, "SHUTDOWN NOSAVE");
    await backend.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function write(name: string, content: string): string {
    writeFileSync(path(name), content);
    return path(name);
  }

  const { concurrency = 16, config } = options;
  write(
    "models.json",
    JSON.stringify({
      tiers: {
        lab: { provider: "openai-compatible", baseUrl: backend.baseUrl, location: "local", concurrency },
        ...config?.tiers,
      },
      models: { small: { tier: "lab", model: "simulated-model" }, ...config?.models },
      tasks: { simple: { primary: "small" }, ...config?.tasks },
    } satisfies ConfigFile),
  );
  const input = write("in.jsonl", inputLines(options.rows ?? 0));
  const output = path("out.jsonl");

  const start: Project["start"] = (args, { stdin, bare = false } = {}) => {
    const given = bare ? [] : ["--config", path("models.json"), "--data-dir", dataDirectory];
    const child = spawn(process.execPath, [program, ...args, ...given], {
      cwd: folder,
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
      // Nothing of the surroundings may reach it: no keys, no REDIS_URL.
      env: {
        PATH: readVariable("PATH"),
        HOME: folder,
        PROMPTFLEET_REDIS_SERVER: readVariable("PROMPTFLEET_REDIS_SERVER"),
        ...options.environment,
      },
    });
    children.push(child);
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.stdin.on("error", () => {});
    child.stdin.end(stdin ?? "");
    const ended = new Promise<Ended>((resolve) => {
      child.on("close", (code, signal) => resolve({ code: code ?? signal ?? "unknown", stdout, stderr }));
    });
    return {
      pid: child.pid!,
      stderr: () => stderr,
      stdout: () => stdout,
      ended,
      signal: (signal) => void process.kill(-child.pid!, signal),
    };
  };

  return {
    folder,
    backend,
    input,
    output,
    dataDirectory,
    path,
    write,
    start,
    run: (...args) => start(["run", input, "-o", output, ...args]).ended,
    async redisPid() {
      if (!existsSync(socketPath)) return undefined;
      const reply = await redisSays(socketPath, "INFO server");
      const pid = /process_id:(\d+)/.exec(reply)?.[1];
      return pid === undefined ? undefined : Number(pid);
    },
  };
}

/** What is left of a run beside its output. */
export function leftovers(project: Project, names: readonly string[]): string[] {
  return names.filter((name) => existsSync(project.path(name)));
}

/** The object of the last line of `run --json`. */
export function summaryOf({ stdout }: Ended): Record<string, unknown> {
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>;
}

/** True while that process runs and is no zombie. */
export function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    try {
      return process.platform !== "linux" && process.kill(pid, 0);
    } catch {
      return false;
    }
  }
}

/** Waits until the embedded Redis of a project has gone. */
export async function untilRedisIsGone(project: Project, pid: number): Promise<void> {
  await until("the embedded Redis to end", () => !isAlive(pid));
  if (existsSync(join(project.dataDirectory, "redis", "redis.sock"))) throw new Error("its socket is still there");
}

function redisSays(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.setTimeout(2_000, () => socket.destroy());
    socket.once("connect", () => socket.write(`${command}\r\n`));
    let reply = "";
    socket.on("data", (data) => {
      reply += data.toString();
      if (reply.endsWith("\r\n")) socket.destroy();
    });
    socket.once("error", () => {});
    socket.once("close", () => resolve(reply));
  });
}
