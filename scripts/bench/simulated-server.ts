import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { SimulatedStats } from "../../test/support/simulated-backend.ts";

/** A SIMULATED server in a process of its own. */
export interface SimulatedServer {
  readonly port: number;
  readonly baseUrl: string;
  /** The instant one knows `requests` and `spanMs` only. */
  stats(): Promise<SimulatedStats>;
  /** Forgets all counts. */
  reset(): Promise<void>;
  stop(): Promise<void>;
}

export interface ServerManners {
  /** Median service time. */
  readonly latencyMs: number;
  /** Spread of the lognormal service time. */
  readonly sigma: number;
  readonly slots: number;
}

/** The tests' server. @param manners default: answers at once, without limit. */
export function startSimulatedServer(manners?: ServerManners): Promise<SimulatedServer> {
  const program = join(import.meta.dirname, "..", "..", "test", "support", "simulated-backend.ts");
  if (manners === undefined) return start([program]);
  const { latencyMs, sigma, slots } = manners;
  return start([program, "--latency-ms", `${latencyMs}`, "--sigma", `${sigma}`, "--slots", `${slots}`]);
}

/** One that answers OpenAI's chats only, at once, and uses least of the machine itself. */
export function startInstantServer(): Promise<SimulatedServer> {
  return start([join(import.meta.dirname, "instant-server.ts")]);
}

async function start(args: readonly string[]): Promise<SimulatedServer> {
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = once(child, "exit");
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    ended.then(() => Promise.reject(new Error("the simulated server ended at its start"))),
  ])) as [string];
  const { port, baseUrl } = JSON.parse(line) as { port: number; baseUrl: string };
  const ask = async (path: string, method: string): Promise<unknown> =>
    (await fetch(`http://127.0.0.1:${port}/simulated/${path}`, { method })).json();
  return {
    port,
    baseUrl,
    stats: () => ask("stats", "GET") as Promise<SimulatedStats>,
    reset: async () => void (await ask("reset", "POST")),
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
