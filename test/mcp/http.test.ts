import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { givenHttpClient } from "../support/mcp-client.ts";
import { withRedis } from "../support/redis-server.ts";
import { givenServer } from "../support/serve.ts";
import { until } from "../support/until.ts";

const server = withRedis();

const roles = ["admin", "submit", "read"] as const;
const tokens = roles.map((role) => ({ name: role, role, sha256: createHash("sha256").update(role).digest("hex") }));
const withToken =
  (token: string): typeof fetch =>
  (url, init) => {
    const headers = new Headers(init?.headers);
    headers.set("authorization", `Bearer ${token}`);
    return fetch(url, { ...init, headers });
  };

const initialize = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "raw", version: "1" } },
};
const headers = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const post = (url: string, body: unknown, more: Record<string, string> = {}) =>
  fetch(`${url}/mcp`, { method: "POST", headers: { ...headers, ...more }, body: JSON.stringify(body) });

describe("the MCP server under serve", () => {
  it("asks for a token that may submit, and gives nobody the session of another", async () => {
    const { url } = await givenServer(server, { config: { serve: { tokens } } });
    await expect(givenHttpClient(url)).rejects.toThrow(/no token was sent/);
    await expect(givenHttpClient(url, withToken("read"))).rejects.toThrow(/needs a token with the role submit/);
    const { call } = await givenHttpClient(url, withToken("submit"));
    expect(await call("ask", { prompt: "#1" })).toMatchObject({ text: "answer to 1" });
    const opened = await post(url, initialize, { authorization: "Bearer submit" });
    const session = opened.headers.get("mcp-session-id")!;
    const list = { jsonrpc: "2.0", id: 2, method: "tools/list" };
    const asOther = await post(url, list, { authorization: "Bearer admin", "mcp-session-id": session });
    expect(asOther.status).toBe(404);
    const asOwner = await post(url, list, { authorization: "Bearer submit", "mcp-session-id": session });
    expect(await asOwner.text()).toContain("batch_status");
  });

  it("answers a session that is over with 404, what is no session with 400, and what is too large with 413", async () => {
    const { url, client } = await givenServer(server);
    const { client: mcp } = await givenHttpClient(url);
    const session = (mcp.transport as unknown as { sessionId: string }).sessionId;
    const list = { jsonrpc: "2.0", id: 2, method: "tools/list" };
    expect((await post(url, list, { "mcp-session-id": session })).status).toBe(200);
    await fetch(`${url}/mcp`, { method: "DELETE", headers: { ...headers, "mcp-session-id": session } });
    expect((await post(url, list, { "mcp-session-id": session })).status).toBe(404);
    expect((await post(url, list)).status).toBe(400);
    expect((await post(url, { ...initialize, more: "x".repeat(17_000_000) })).status).toBe(413);
    expect((await client.models.list()).data.length).toBeGreaterThan(0);
  });

  it("reads no file for its clients", async () => {
    const { url, backend } = await givenServer(server);
    const { refusal } = await givenHttpClient(url);
    expect(await refusal("ask", { prompt: "x", file: "package.json" })).toMatch(
      /reads and writes no files for its clients/,
    );
    expect(await refusal("submit_batch", { file: "/etc/passwd" })).toMatch(/reads and writes no files/);
    expect(backend.requests()).toBe(0);
  });

  it("ends a call whose request was cut off, and keeps the session", async () => {
    const { url, backend } = await givenServer(server, { backend: { fault: { kind: "stall" } } });
    const opened = await post(url, initialize);
    const session = { "mcp-session-id": opened.headers.get("mcp-session-id")! };
    const cut = new AbortController();
    const call = { jsonrpc: "2.0", id: 3, method: "tools/call", params: { name: "ask", arguments: { prompt: "x" } } };
    const asked = fetch(`${url}/mcp`, {
      method: "POST",
      headers: { ...headers, ...session },
      body: JSON.stringify(call),
      signal: cut.signal,
    }).then((response) => response.text());
    asked.catch(() => {});
    await until("the model to be asked", () => backend.inFlight === 1);
    cut.abort();
    await until("the call to be gone", () => backend.inFlight === 0);
    backend.setBehaviour({ fault: undefined });
    const again = await post(url, { ...call, id: 4, params: { name: "ask", arguments: { prompt: "#2" } } }, session);
    expect(await again.text()).toContain("answer to 2");
  });
});
