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
  /** From now on it behaves otherwise. */
  change(to: Partial<ServerManners>): Promise<void>;
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
  /** Requests at work beyond which each takes longer. Default: none. */
  readonly knee?: number;
}

/** The tests' server. @param manners default: answers at once, without limit. */
export function startSimulatedServer(manners?: ServerManners): Promise<SimulatedServer> {
  const program = join(import.meta.dirname, "..", "..", "test", "support", "simulated-backend.ts");
  if (manners === undefined) return start([program]);
  const { latencyMs, sigma, slots, knee = Number.POSITIVE_INFINITY } = manners;
  const options = { "latency-ms": latencyMs, sigma, slots, knee };
  return start([program, ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`])]);
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
  const ask = async (path: string, method: string, body?: object): Promise<unknown> => {
    const sent = body === undefined ? { method } : { method, body: JSON.stringify(body) };
    return (await fetch(`http://127.0.0.1:${port}/simulated/${path}`, sent)).json();
  };
  return {
    port,
    baseUrl,
    stats: () => ask("stats", "GET") as Promise<SimulatedStats>,
    change: async (to) => void (await ask("behaviour", "POST", to)),
    reset: async () => void (await ask("reset", "POST")),
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
