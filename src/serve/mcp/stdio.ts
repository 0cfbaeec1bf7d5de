import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import type { Config } from "../../config/config.ts";
import { messageOf } from "../../job/errors.ts";
import { openFleet } from "../../open-fleet.ts";
import { type OpenBatches, openBatches } from "../open-batches.ts";
import { openFiles } from "../open-files.ts";
import { linesOf, type McpContext, type McpFleet } from "./context.ts";
import { createMcpServer } from "./mcp-server.ts";
import { createRoots, type Roots } from "./roots.ts";

export interface StdioOptions {
  readonly config: Config;
  readonly redis: string | undefined;
  readonly dataDirectory: string;
  /** Folders whose files the client may name; none given: those that the client says are its roots, else this folder. */
  readonly roots: readonly string[];
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WriteStream;
  /** Ends the session. */
  readonly signal: AbortSignal;
  readonly onTrouble: (line: string) => void;
}

/** Beyond this a message is not read to its end, and the session ends; smaller ones that are too large are answered. */
const longestMessageBytes = 64_000_000;

/** Serves one client on stdin and stdout until it leaves. */
export async function serveStdio(options: StdioOptions): Promise<void> {
  const { stdin, signal, onTrouble } = options;
  const stdout = keepForProtocol(options.stdout);
  const session = openSession(options);
  const server = createMcpServer({
    context: session.context,
    rootsOf: (one) => rootsOf(one, options.roots),
    onTrouble,
  });
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  // The transport does not notice that its client is gone.
  for (const event of ["end", "close", "error"]) stdin.once(event, () => end());
  stdout.once("error", () => end());
  signal.addEventListener("abort", () => end(), { once: true });
  server.onerror = (error) => onTrouble(`the client: ${withoutItsText(error)}`);
  const closed = server.onclose;
  server.onclose = () => {
    closed?.();
    end();
  };
  await server.connect(new StdioServerTransport(stdin as never, stdout, { maxBufferSize: longestMessageBytes }));
  if (signal.aborted) end();
  await ended;
  await server.close();
  await session.close();
}

/** What is wrong with a message, but not what stands in it: V8 quotes that, and it may be private. */
function withoutItsText({ name, message }: Error): string {
  return name === "SyntaxError" ? "expected a line of JSON, found something else" : message;
}

/** Libraries may print: nothing but the protocol may come through. */
function keepForProtocol(stdout: NodeJS.WriteStream): Writable {
  const write = stdout.write.bind(stdout) as (chunk: Buffer, done: (error?: Error | null) => void) => boolean;
  stdout.write = process.stderr.write.bind(process.stderr) as typeof stdout.write;
  const own = new Writable({ write: (chunk: Buffer, _encoding, done) => void write(chunk, done) });
  stdout.on("error", (error) => own.destroy(error));
  return own;
}

interface Session {
  readonly context: McpContext;
  close(): Promise<void>;
}

/** The fleet of a session, joined when a tool first needs it. */
function openSession({ config, redis, dataDirectory, onTrouble }: StdioOptions): Session {
  let opening: Promise<McpFleet & { close(): Promise<void> }> | undefined;

  async function openAll(): Promise<McpFleet & { close(): Promise<void> }> {
    const opened = await openFleet({ config, redis, dataDirectory, servesOnline: true });
    const { fleet } = opened;
    const directory = join(dataDirectory, "serve");
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    let batches: OpenBatches | undefined;
    const files = openFiles(join(directory, "files"), { readerOf: (id) => batches?.readerOf(id) });
    const lines = linesOf(config, fleet, true);
    const place = join(directory, "batches");
    batches = openBatches({ config, fleet, files, lines, directory: place, withPools: true, onTrouble });
    const running = batches;
    return {
      fleet,
      batches,
      lines,
      withPools: true,
      /** Calls in flight are handed back: the next process of this data directory goes on with the batches. */
      async close() {
        running.stopFeeding();
        await fleet.leave(false);
        await running.close();
        files.close();
        await fleet.close();
        await opened.leaveRedis();
      },
    };
  }

  return {
    context: {
      config,
      open() {
        opening ??= openAll().catch((error) => {
          // The next call tries again: somebody may have mended it.
          opening = undefined;
          throw error;
        });
        return opening;
      },
    },
    async close() {
      const opened = await opening?.catch((error) => void onTrouble(messageOf(error)));
      await opened?.close();
    },
  };
}

/** What the user said, else what the client says of itself, else the current folder. */
async function rootsOf(server: Server, given: readonly string[]): Promise<Roots> {
  if (given.length > 0) return createRoots(given.map((folder) => resolve(folder)));
  if (server.getClientCapabilities()?.roots === undefined) return createRoots([process.cwd()]);
  const { roots } = await server.listRoots();
  return createRoots(roots.flatMap(({ uri }) => (uri.startsWith("file://") ? [fileURLToPath(uri)] : [])));
}
