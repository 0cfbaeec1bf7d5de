import type { Express } from "express";
import { describe, expect, it } from "vitest";
import { createApp } from "../../src/serve/app.ts";
import { withRedis } from "../support/redis-server.ts";
import { type GivenServer, givenServer } from "../support/serve.ts";
import { tokens, tokensOfConfig } from "./given-guarded.ts";

const redis = withRedis();

const askers = ["nobody", "read", "submit", "admin"] as const;
type Asker = (typeof askers)[number];

/** Every route of the server, and who may ask for it at least. Whose files and batches they are: ownership.test.ts. */
const leastOf: Readonly<Record<string, Asker>> = {
  "GET /healthz": "nobody",
  "GET /readyz": "nobody",
  "GET /login": "nobody",
  "GET /login.css": "nobody",
  "POST /login": "nobody",
  "POST /logout": "nobody",
  "GET /": "read",
  "GET /dashboard/events": "read",
  "GET /metrics": "read",
  "GET /v1/models": "read",
  "GET /v1/models/*id": "read",
  "GET /v1/tiers": "read",
  "POST /v1/tiers/:name/pause": "admin",
  "POST /v1/tiers/:name/resume": "admin",
  "POST /v1/files": "submit",
  "GET /v1/files": "read",
  "GET /v1/files/:id": "read",
  "GET /v1/files/:id/content": "read",
  "DELETE /v1/files/:id": "submit",
  "POST /v1/batches": "submit",
  "GET /v1/batches": "read",
  "GET /v1/batches/:id": "read",
  "GET /v1/batches/:id/results": "read",
  "POST /v1/batches/:id": "admin",
  "POST /v1/batches/:id/cancel": "submit",
  "POST /v1/batches/:id/pause": "admin",
  "POST /v1/batches/:id/resume": "admin",
  // There is none; but if there were, it would be asked whose the batch is.
  "DELETE /v1/batches/:id": "admin",
  "POST /v1/messages/batches": "submit",
  "GET /v1/messages/batches": "read",
  "GET /v1/messages/batches/:id": "read",
  "GET /v1/messages/batches/:id/results": "read",
  "POST /v1/messages/batches/:id/cancel": "submit",
  "DELETE /v1/messages/batches/:id": "submit",
  "POST /v1/chat/completions": "submit",
  "POST /v1/messages": "submit",
  "POST /mcp": "submit",
  "GET /mcp": "read",
  "DELETE /mcp": "submit",
};

/** What lies behind a router or files of its own, and what is not there. */
const besideRoutes: Readonly<Record<string, Asker>> = {
  "GET /dashboard/page.js": "read",
  "GET /queues/": "read",
  "GET /queues/base.js": "read",
  "GET /queues/api/queues": "read",
  "PUT /queues/api/queues/lab/pause": "admin",
  "PUT /queues/api/queues/lab/resume": "admin",
  "PUT /queues/api/queues/lab/1/retry": "admin",
  "GET /nowhere": "read",
  "POST /nowhere": "admin",
  "PATCH /v1/files/file-1": "admin",
};

interface Layer {
  readonly slash: boolean;
  readonly route?: { readonly path: string; readonly stack: readonly { readonly method: string }[] };
  readonly handle: { readonly stack?: readonly Layer[] };
}

/** The routes of an app and of the routers that are mounted at its root. */
function routesOf(layers: readonly Layer[]): string[] {
  return layers.flatMap(({ slash, route, handle }) => {
    if (route !== undefined) return route.stack.map(({ method }) => `${method.toUpperCase()} ${route.path}`);
    return slash ? routesOf(handle.stack ?? []) : [];
  });
}

async function statusOf({ url }: GivenServer, route: string, asker: Asker): Promise<number> {
  const [method, path] = route.split(" ") as [string, string];
  const headers = {
    "sec-fetch-site": "same-origin",
    ...(asker === "nobody" ? {} : { authorization: `Bearer ${tokens[asker]}` }),
    ...(method === "GET" ? {} : { "content-type": "application/json" }),
  };
  const response = await fetch(`${url}${path.replaceAll(/[:*]\w+/g, "none")}`, {
    method,
    headers,
    redirect: "manual",
    ...(method === "GET" ? {} : { body: "{}" }),
  });
  // A stream of events has no end.
  await response.body?.cancel();
  return response.status;
}

describe("with tokens", () => {
  it("each route of the server is in the table of who may ask for it", async () => {
    const { context } = await givenServer(redis);
    const app = createApp(context) as Express & { readonly router: { readonly stack: readonly Layer[] } };
    expect([...new Set(routesOf(app.router.stack))].sort()).toEqual(Object.keys(leastOf).sort());
  });

  it("each route, and what is none, answers whom the table names, and nobody else", async () => {
    const server = await givenServer(redis, { config: { serve: { tokens: tokensOfConfig } } });
    const found: Record<string, string> = {};
    const expected: Record<string, string> = {};
    // Whoever has no token gets a 401 from the login itself: login.test.ts.
    const { "POST /login": _, ...others } = leastOf;
    for (const [route, least] of Object.entries({ ...others, ...besideRoutes })) {
      const answers: string[] = [];
      for (const asker of askers) {
        const status = await statusOf(server, route, asker);
        answers.push(status === 401 || status === 403 ? `${asker} ${status}` : `${asker} may`);
        expect(status, `${asker}: ${route}`).toBeLessThan(500);
      }
      found[route] = answers.join(", ");
      expected[route] = askers
        .map((asker) => {
          const isRefused = askers.indexOf(asker) < askers.indexOf(least);
          return isRefused ? `${asker} ${asker === "nobody" ? 401 : 403}` : `${asker} may`;
        })
        .join(", ");
    }
    expect(found).toEqual(expected);
  });
});
