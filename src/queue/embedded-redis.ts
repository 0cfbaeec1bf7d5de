import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf, UserError } from "../job/errors.ts";
import type { RedisAddress } from "./connection.ts";
import { takeLock } from "./lock-file.ts";
import { identityOfThisProcess, isRunning, type ProcessIdentity } from "./process-identity.ts";
import type { RedisBinary } from "./redis-binary.ts";
import { answers, shutDown } from "./redis-socket.ts";

/** A private redis-server shared by the runs of one data directory. */
export interface EmbeddedRedis {
  readonly address: RedisAddress;
  /** No other living process used it when we joined: whatever is marked as in flight there is nobody's any more. */
  readonly joinedAlone: boolean;
  /** One line for the user when something had to be mended. */
  readonly notice?: string;
  /** Signs off; the last client to leave shuts the server down. */
  leave(): Promise<void>;
}

/** A unix socket's path must fit into 108 bytes, its end included. */
const longestSocketPathBytes = 104;
const startDeadlineMs = 20_000;

/**
 * Joins the embedded Redis of a data directory, or starts it: unix socket, own directory, append-only file, no
 * eviction, own process group so that Ctrl-C does not reach it. After a SIGKILL of its last user the server lives on
 * and is adopted here.
 */
export async function joinEmbeddedRedis(dataDirectory: string, binary: RedisBinary): Promise<EmbeddedRedis> {
  try {
    return await joinIn(dataDirectory, binary);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined || !unusable.includes(code)) throw error;
    throw unusableDirectory(dataDirectory, error);
  }
}

export const unusableDirectory = (dataDirectory: string, error: unknown): UserError =>
  new UserError(
    `cannot use the data directory ${dataDirectory} (${messageOf(error)}); mend that, or give another by --data-dir`,
  );

/** What the disk or the rights of this user refuse; ENOENT: what Node says of folders it cannot make on a read-only disk. */
const unusable = ["ENOENT", "ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "ENOTDIR"];

async function joinIn(dataDirectory: string, binary: RedisBinary): Promise<EmbeddedRedis> {
  const directory = join(dataDirectory, "redis");
  const clients = join(directory, "clients");
  mkdirSync(clients, { recursive: true, mode: 0o700 });
  const socketPath = socketPathFor(directory);
  const address = { socketPath };
  const own = identityOfThisProcess();
  const ownFile = join(clients, `${own.pid}-${process.hrtime.bigint().toString(36)}`);

  return whileLocked(directory, async () => {
    const others = livingClients(clients);
    let notice: string | undefined;
    const isThere = existsSync(socketPath) && (await answers(socketPath));
    if (!isThere) notice = await start(directory, socketPath, binary);
    writeFileSync(ownFile, JSON.stringify(own), { mode: 0o600 });
    return {
      address,
      joinedAlone: others === 0,
      ...(notice === undefined ? {} : { notice }),
      async leave() {
        // Its disk went: the server lives on as after a SIGKILL, and is adopted once the disk is there again.
        if (!existsSync(clients)) return;
        await whileLocked(directory, async () => {
          rmSync(ownFile, { force: true });
          if (livingClients(clients) === 0) await shutDown(socketPath);
        });
      },
    };
  });
}

/** Where the embedded Redis of a data directory answers now; undefined while none runs. Starts and joins nothing. */
export async function findEmbeddedRedis(dataDirectory: string): Promise<RedisAddress | undefined> {
  const directory = join(dataDirectory, "redis");
  if (!existsSync(directory)) return undefined;
  const socketPath = socketPathFor(directory);
  return (await answers(socketPath)) ? { socketPath } : undefined;
}

function socketPathFor(directory: string): string {
  const beside = join(directory, "redis.sock");
  if (Buffer.byteLength(beside) <= longestSocketPathBytes) return beside;
  const short = join(
    tmpdir(),
    `promptfleet-${userInfo().uid}-${createHash("sha256").update(directory).digest("hex").slice(0, 12)}`,
  );
  mkdirSync(short, { recursive: true, mode: 0o700 });
  return join(short, "redis.sock");
}

/** Start and stop must not cross: one process at a time decides whether the server is needed. */
async function whileLocked<T>(directory: string, action: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + 2 * startDeadlineMs;
  for (;;) {
    const lock = takeLock(join(directory, "start-stop.lock"));
    if (lock.held) {
      try {
        return await action();
      } finally {
        lock.release();
      }
    }
    if (lock.holder.host !== hostname()) refuseOtherHost(directory, lock.holder, join(directory, "start-stop.lock"));
    if (performance.now() > deadline) {
      throw new UserError(
        `the embedded Redis in ${directory} is being started or stopped by process ${lock.holder.pid} on ${lock.holder.host} for too long; end that process, or use another --data-dir`,
      );
    }
    await sleep(50);
  }
}

function livingClients(clients: string): number {
  let living = 0;
  for (const name of readdirSync(clients)) {
    const file = join(clients, name);
    const client = readClient(file);
    if (client !== undefined && client.host !== hostname()) refuseOtherHost(dirname(clients), client, file);
    if (client !== undefined && isRunning(client)) living++;
    else rmSync(file, { force: true });
  }
  return living;
}

function readClient(file: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as ProcessIdentity;
  } catch {
    return undefined;
  }
}

/** Two servers on one append-only file would ruin it, and whether that host still lives cannot be seen from here. */
function refuseOtherHost(directory: string, { pid, host }: ProcessIdentity, file: string): never {
  throw new UserError(
    `${directory} was in use by process ${pid} on ${host}, and a data directory serves one host; give another by --data-dir, or, if this is a copy or that host is gone, remove ${file}`,
  );
}

async function start(directory: string, socketPath: string, binary: RedisBinary): Promise<string | undefined> {
  rmSync(socketPath, { force: true });
  const first = await launch(directory, socketPath, binary);
  if (first === "ready") return undefined;
  const appendOnly = join(directory, "appendonlydir");
  if (
    /No space left|Read-only file system/i.test(first.log) ||
    !/append only file|AOF|RDB/i.test(first.log) ||
    !existsSync(appendOnly)
  )
    throw startError(directory, binary, first.log);
  const aside = `${appendOnly}.unreadable-${new Date().toISOString().replaceAll(/[:.]/g, "-")}`;
  renameSync(appendOnly, aside);
  const second = await launch(directory, socketPath, binary);
  if (second !== "ready") throw startError(directory, binary, second.log);
  return `the embedded Redis could not read its append-only file; it was set aside as ${aside}, and the window is rebuilt from the files`;
}

function startError(directory: string, binary: RedisBinary, log: string): UserError {
  const last = log.trim().split("\n").slice(-3).join(" | ");
  return new UserError(
    `the embedded Redis (${binary.path}) did not start in ${directory}: ${last || "it said nothing"}; see ${join(directory, "redis.log")}, or give another server by --redis`,
  );
}

async function launch(directory: string, socketPath: string, binary: RedisBinary): Promise<"ready" | { log: string }> {
  const logPath = join(directory, "redis.log");
  rmSync(logPath, { force: true });
  const log = openSync(logPath, "a", 0o600);
  const options: Record<string, string> = {
    port: "0",
    unixsocket: socketPath,
    unixsocketperm: "700",
    dir: directory,
    appendonly: "yes",
    appendfsync: "everysec",
    save: "",
    "maxmemory-policy": "noeviction",
    daemonize: "no",
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(binary.path, args, { detached: true, stdio: ["ignore", log, log], cwd: directory });
  closeSync(log);
  let ended: string | undefined;
  child.once("error", (error) => {
    ended = messageOf(error);
  });
  child.once("exit", (code, signal) => {
    ended = `exit ${code ?? signal}`;
  });
  child.unref();
  const deadline = performance.now() + startDeadlineMs;
  while (ended === undefined && performance.now() < deadline) {
    if (await answers(socketPath)) {
      child.removeAllListeners();
      return "ready";
    }
    await sleep(5);
  }
  return { log: `${readFileSync(logPath, "utf8")}\n${ended ?? "no answer"}` };
}
