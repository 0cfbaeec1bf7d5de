import { createHash } from "node:crypto";
import { createServer, type IncomingHttpHeaders, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import express, { type Express, type Router } from "express";
import { buildConfig } from "../../src/config/build.ts";
import type { Role } from "../../src/config/config.ts";
import type { ServeFile } from "../../src/config/serve-schema.ts";
import { createAccess } from "../../src/serve/access.ts";
import { type BodyPatience, limitBodies, limitUploads, serverOptions } from "../../src/serve/bodies.ts";
import { callerOf, guard } from "../../src/serve/guard.ts";
import { securityHeaders } from "../../src/serve/headers.ts";
import { answerError } from "../../src/serve/http-error.ts";
import { afterTests } from "../support/clean-up.ts";

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface Guarded {
  readonly port: number;
  ask(method: string, path: string, options?: { headers?: Record<string, string>; body?: string }): Promise<Reply>;
}

export const adminToken = "the admin's token";
export const tokens: Readonly<Record<Role, string>> = { admin: "of an admin", submit: "of a job", read: "of a viewer" };

/** `serve.tokens` with one of each role. */
export const tokensOfConfig = Object.entries(tokens).map(([role, token]) => ({
  sha256: createHash("sha256").update(token).digest("hex"),
  role: role as Role,
  name: `a ${role}`,
}));

export interface GuardedOptions {
  /** Without it there is no token at all. */
  readonly withTokens?: boolean;
  readonly serve?: ServeFile;
  readonly patience?: BodyPatience;
  readonly headersTimeoutMs?: number;
  /** Routes behind the guard. Default: what says who asked and how many bytes came. */
  readonly routes?: Router;
}

/** The guard, as the server has it, before routes that say who asked and how many bytes came. */
export async function givenGuarded(options: GuardedOptions = {}): Promise<Guarded> {
  const { withTokens = true, serve = {}, patience } = options;
  const file = { serve: { ...serve, ...(withTokens && { tokens: tokensOfConfig }) } };
  const config = buildConfig(file, { fleet: "guarded", source: "given", keys: new Map() });
  const access = createAccess(config.serve.tokens, withTokens ? adminToken : undefined);
  const app: Express = express();
  app.set("query parser", "simple").set("trust proxy", "loopback");
  app.use(securityHeaders(), limitBodies(config.serve.limits, patience), guard({ access, config }));
  app.use(limitUploads(config.serve.limits));
  if (options.routes !== undefined) app.use(options.routes);
  app.use(async (asked, response) => {
    let bytes = 0;
    for await (const chunk of asked) bytes += (chunk as Buffer).length;
    response.json({ caller: callerOf(response), bytes });
  });
  app.use(answerError);
  const { headersTimeoutMs } = options;
  const changed = headersTimeoutMs && { headersTimeout: headersTimeoutMs, connectionsCheckingInterval: 50 };
  const server = createServer({ ...serverOptions, ...changed }, app);
  const port = await listen(server);
  return { port, ask: (method, path, more) => ask(port, method, path, more) };
}

export async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  afterTests(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Node's own client, as `fetch` would not say another Host or Origin. */
export function ask(
  port: number,
  method: string,
  path: string,
  { headers = {}, body = "" }: { headers?: Record<string, string>; body?: string } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const length = body === "" ? {} : { "content-length": String(Buffer.byteLength(body)) };
    const asking = request({ port, host: "127.0.0.1", method, path, headers: { ...length, ...headers } });
    asking.once("error", reject);
    asking.once("response", async (response) => {
      let text = "";
      for await (const chunk of response.setEncoding("utf8")) text += chunk;
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
    });
    asking.end(body);
  });
}
