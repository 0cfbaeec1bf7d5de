import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A redis-server of its own for a side that brings none, set up as the embedded one is. */
export interface PrivateRedis {
  readonly socketPath: string;
  stop(): Promise<void>;
}

export async function startPrivateRedis(directory: string): Promise<PrivateRedis> {
  mkdirSync(directory, { recursive: true });
  const socketPath = join(directory, "redis.sock");
  const child = spawn(
    "redis-server",
    ["--port", "0", "--unixsocket", socketPath, "--dir", directory, "--appendonly", "yes", "--save", ""],
    { stdio: "ignore" },
  );
  const ended = once(child, "exit");
  ended.catch(() => {});
  while (!(await accepts(socketPath))) {
    if (child.exitCode !== null || child.pid === undefined)
      throw new Error("redis-server did not start; is it on PATH?");
    await sleep(20);
  }
  return {
    socketPath,
    async stop() {
      child.kill("SIGTERM");
      await ended;
    },
  };
}

function accepts(socketPath: string): Promise<boolean> {
  if (!existsSync(socketPath)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
