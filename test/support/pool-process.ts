import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterTests } from "./clean-up.ts";
import type { TestRedis } from "./redis-server.ts";
import type { SimulatedBackend } from "./simulated-backend.ts";

const child = fileURLToPath(new URL("./pool-child.ts", import.meta.url));

export interface PoolProcess {
  readonly pid: number;
  /** Resolves when it has ended, however. */
  readonly ended: Promise<unknown>;
  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void;
  /** Ends it by SIGKILL, in the middle of whatever it does. */
  kill(): Promise<void>;
}

export interface PoolOrder {
  readonly socketPath: string;
  readonly fleet: string;
  readonly backends: Readonly<Record<string, { readonly baseUrl: string }>>;
}

/** A process of its own that works all tiers of a fleet, with the config of `givenConfig`. */
export async function startPoolProcess(
  server: TestRedis,
  fleet: string,
  backends: Readonly<Record<string, SimulatedBackend>>,
): Promise<PoolProcess> {
  const order: PoolOrder = {
    socketPath: server.address.socketPath,
    fleet,
    backends: Object.fromEntries(Object.entries(backends).map(([tier, { baseUrl }]) => [tier, { baseUrl }])),
  };
  const pool: ChildProcess = fork(child, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  afterTests(() => void pool.kill("SIGKILL"));
  const ended = once(pool, "exit");
  const ready = once(pool, "message");
  pool.send(order);
  await ready;
  return {
    pid: pool.pid!,
    ended,
    signal: (signal) => void pool.kill(signal),
    async kill() {
      pool.kill("SIGKILL");
      await ended;
    },
  };
}
