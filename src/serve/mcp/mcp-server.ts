import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import type { RequestHandlerExtra } from "@modelcontextprotocol/sdk/shared/protocol.js";
import {
  CallToolRequestSchema,
  type CallToolResult,
  ListToolsRequestSchema,
  type ServerNotification,
  type ServerRequest,
} from "@modelcontextprotocol/sdk/types.js";
import { z } from "zod";
import { suggestName } from "../../config/nearest.ts";
import { packageRoot } from "../../config/package-root.ts";
import { tooDeep } from "../../intake/field-checks.ts";
import { messageOf, UserError } from "../../job/errors.ts";
import type { McpContext } from "./context.ts";
import { serveResources } from "./resources.ts";
import type { Roots } from "./roots.ts";
import type { Tool, ToolCall } from "./tool.ts";
import { ask, askParallel, consensus } from "./tools-ask.ts";
import { batchResults, batchStatus, cancelBatch, submitBatch } from "./tools-batch.ts";
import { listModels, plan } from "./tools-look.ts";

const tools: readonly Tool[] = [
  listModels,
  ask,
  askParallel,
  consensus,
  plan,
  submitBatch,
  batchStatus,
  batchResults,
  cancelBatch,
];

const instructions =
  "promptfleet asks other language models: one (ask), several at once (ask_parallel, consensus), or very many rows in the background (plan, then submit_batch, batch_status, batch_results). list_models says which models there are, what they cost and which are local. Mark what must not leave this network as private.";

/** No message needs to be larger; texts beyond that belong into files. */
const mostArgumentBytes = 8_000_000;
/** Progress that comes more often than this helps nobody. */
const reportEveryMs = 200;

export interface McpServerOptions {
  readonly context: McpContext;
  /** The folders whose files the client may name. */
  readonly rootsOf: (server: Server) => Promise<Roots>;
  /** Aborted when the connection that carries a call is gone, where the protocol does not say so. */
  readonly signalOf?: (extra: Extra) => AbortSignal | undefined;
  readonly onTrouble: (line: string) => void;
}

export type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/** One client's session: the tools and resources over whatever transport it is connected to. */
export function createMcpServer({ context, rootsOf, signalOf, onTrouble }: McpServerOptions): Server {
  const server = new Server(
    { name: "promptfleet", title: "promptfleet", version: packageVersion() },
    { capabilities: { tools: {}, resources: { subscribe: true } }, instructions },
  );

  server.setRequestHandler(ListToolsRequestSchema, () => ({
    tools: tools.map(({ name, title, description, input, output, isReadOnly }) => ({
      name,
      title,
      description,
      inputSchema: jsonSchemaOf(input),
      outputSchema: jsonSchemaOf(output),
      annotations: { title, readOnlyHint: isReadOnly, destructiveHint: name === cancelBatch.name, openWorldHint: true },
    })),
  }));

  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra): Promise<CallToolResult> => {
    try {
      const tool = tools.find(({ name }) => name === params.name);
      if (tool === undefined) {
        const names = tools.map(({ name }) => name);
        throw new UserError(
          `there is no tool "${params.name.slice(0, 60)}": ${suggestName(params.name.slice(0, 60), names)}`,
        );
      }
      checkSize(params.arguments);
      const gone = signalOf?.(extra);
      const signal = gone === undefined ? extra.signal : AbortSignal.any([extra.signal, gone]);
      const call: ToolCall = { signal, report: reporterOf(extra), roots: () => rootsOf(server) };
      const { structured, text, links = [] } = await tool.call(context, params.arguments, call);
      return {
        structuredContent: structured,
        content: [
          { type: "text", text: text ?? JSON.stringify(structured) },
          ...links.map((link) => ({ type: "resource_link" as const, mimeType: "application/json", ...link })),
        ],
      };
    } catch (error) {
      return { isError: true, content: [{ type: "text", text: explain(error, onTrouble) }] };
    }
  });

  serveResources(server, context);
  return server;
}

function jsonSchemaOf(schema: z.ZodObject): { type: "object" } {
  return z.toJSONSchema(schema, { io: "input" }) as { type: "object" };
}

function checkSize(given: unknown): void {
  const nested = tooDeep(given);
  if (nested !== undefined) throw new UserError(`expected arguments with ${nested}, found more`);
  const bytes = given === undefined ? 0 : Buffer.byteLength(JSON.stringify(given));
  if (bytes <= mostArgumentBytes) return;
  throw new UserError(
    `expected arguments of at most ${mostArgumentBytes / 1e6} MB, found ${(bytes / 1e6).toFixed(1)} MB: put the text or the rows into a file and name that`,
  );
}

/** The client is told only if it gave a token to be told with, and not more often than it can use. */
function reporterOf({ _meta, sendNotification, signal }: Extra): ToolCall["report"] {
  const progressToken = _meta?.progressToken;
  if (progressToken === undefined) return () => {};
  let lastMs = 0;
  let last = -1;
  return (done, total, message) => {
    const isLast = total !== undefined && done >= total;
    // Progress must grow: who waits for the same number again has no news.
    if (done <= last || signal.aborted || (performance.now() - lastMs < reportEveryMs && !isLast)) return;
    [lastMs, last] = [performance.now(), done];
    const params = { progressToken, progress: done, ...(total === undefined ? {} : { total }), message };
    void sendNotification({ method: "notifications/progress", params }).catch(() => {});
  };
}

function explain(error: unknown, onTrouble: (line: string) => void): string {
  if (error instanceof UserError) return error.message;
  onTrouble(`a call failed: ${messageOf(error)}`);
  return "an error in promptfleet itself; its log has more";
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as { version: string }).version;
}
