import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Server } from "@modelcontextprotocol/sdk/server/index.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { type Request, type Response, Router } from "express";
import type { Caller } from "./access.ts";
import type { ServeContext } from "./context.ts";
import { callerOf } from "./guard.ts";
import { HttpError } from "./http-error.ts";
import { contextOfServer } from "./mcp/context.ts";
import { createMcpServer, type Extra } from "./mcp/mcp-server.ts";
import { noRoots } from "./mcp/roots.ts";
import { batchesFor } from "./ownership.ts";

interface Session {
  readonly transport: StreamableHTTPServerTransport;
  readonly server: Server;
  /** Whose token opened it. */
  readonly owner: string;
  openRequests: number;
  lastMs: number;
}

const mostSessions = 500;
const idleMs = 3_600_000;
const lookEveryMs = 60_000;
/** Somewhat more than the tools take, so that what is too large is told so in words. */
const longestBodyBytes = 16_000_000;

/** The MCP server over streamable HTTP: a session a client, which ends when it says so or is idle for an hour. */
export function mcpRoutes(serve: ServeContext): Router {
  const sessions = new Map<string, Session>();

  setInterval(() => {
    for (const [id, session] of sessions) {
      if (session.openRequests === 0 && session.lastMs < performance.now() - idleMs) void end(id, session);
    }
  }, lookEveryMs).unref();

  async function end(id: string, { server }: Session): Promise<void> {
    sessions.delete(id);
    await server.close().catch(() => {});
  }

  async function open(caller: Caller): Promise<Session> {
    const owner = caller.name;
    const idlest = [...sessions]
      .filter(([, one]) => one.openRequests === 0)
      .sort(([, a], [, b]) => a.lastMs - b.lastMs)[0];
    if (sessions.size >= mostSessions) {
      if (idlest === undefined) throw new HttpError(429, `${sessions.size} sessions are at work, which is the most`);
      await end(...idlest);
    }
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      maxRequestBodySize: longestBodyBytes,
      onsessioninitialized: (id) => void sessions.set(id, session),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    const server = createMcpServer({
      context: contextOfServer({ ...serve, batches: batchesFor(caller, serve.batches) }),
      // Its clients need not be on this machine: a path of theirs is nothing here.
      rootsOf: async () => noRoots,
      signalOf: goneOf,
      onTrouble: (line) => void process.stderr.write(`mcp: ${line}\n`),
    });
    const session: Session = { transport, server, owner, openRequests: 0, lastMs: performance.now() };
    await server.connect(transport as Parameters<Server["connect"]>[0]);
    return session;
  }

  async function sessionOf(request: Request, response: Response): Promise<Session> {
    const caller = callerOf(response);
    const id = request.headers["mcp-session-id"];
    if (id === undefined) return open(caller);
    const session = sessions.get(String(id));
    if (session?.owner === caller.name) return session;
    throw new HttpError(404, "there is no such session: initialize a new one");
  }

  async function handle(request: Request, response: Response): Promise<void> {
    const session = await sessionOf(request, response);
    session.openRequests++;
    const gone = new AbortController();
    response.once("close", () => {
      session.openRequests--;
      session.lastMs = performance.now();
      if (!response.writableFinished) gone.abort();
    });
    const { name, role } = callerOf(response);
    const auth = { token: "", clientId: name, scopes: [role], extra: { gone: gone.signal } };
    await session.transport.handleRequest(Object.assign(request as IncomingMessage, { auth }), response);
    // It was no initialization: nobody will ever name it.
    if (session.transport.sessionId === undefined) await session.server.close();
  }

  const routes = Router();
  routes.post("/mcp", handle);
  routes.get("/mcp", handle);
  routes.delete("/mcp", handle);
  return routes;
}

/** A client that cuts its request off wants no answer any more. */
function goneOf({ authInfo }: Extra): AbortSignal | undefined {
  return authInfo?.extra?.gone as AbortSignal | undefined;
}
