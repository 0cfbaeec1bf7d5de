import { describe, expect, it } from "vitest";
import { assertMayListen, createAccess, readAccess } from "../../src/serve/access.ts";
import { mostWrongTokens } from "../../src/serve/token-check.ts";
import { givenFleetConfig } from "../support/given-config.ts";
import { adminToken, givenGuarded, tokens, tokensOfConfig } from "./given-guarded.ts";

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe.concurrent("without a token", () => {
  it("whoever is on this machine is the admin", async () => {
    const { ask } = await givenGuarded({ withTokens: false });
    const { status, text } = await ask("POST", "/queues/api/queues/pause");
    expect([status, JSON.parse(text).caller.role]).toEqual([200, "admin"]);
  });

  it.each([
    ["localhost:8700", 200],
    ["127.0.0.1", 200],
    ["[::1]:8700", 200],
    ["fleet.localhost:1", 200],
    ["evil.example:8700", 403],
    ["127.0.0.1.evil.example", 403],
    ["localhost.evil.example", 403],
    ["10.0.0.4:8700", 403],
  ])(
    "the Host %s is answered with %i, so that a name made to resolve to this machine gets nothing",
    async (host, status) => {
      const { ask } = await givenGuarded({ withTokens: false });
      expect((await ask("GET", "/v1/files", { headers: { host } })).status).toBe(status);
    },
  );

  const fromElsewhere: readonly [string, string, Record<string, string>, number][] = [
    ["a form of another site", "POST", { origin: "https://evil.example", "sec-fetch-site": "cross-site" }, 403],
    ["a form of a page without an origin", "POST", { origin: "null" }, 403],
    ["a fetch of another site, by an old browser", "POST", { origin: "https://evil.example" }, 403],
    [
      "a page on another port of this machine",
      "POST",
      { origin: "http://localhost:3000", "sec-fetch-site": "same-site" },
      403,
    ],
    ["a preflight", "OPTIONS", { origin: "https://evil.example", "sec-fetch-site": "cross-site" }, 403],
    [
      "a picture on another site",
      "GET",
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" },
      403,
    ],
    [
      "a frame on another site",
      "GET",
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" },
      403,
    ],
    [
      "a link that somebody follows",
      "GET",
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" },
      200,
    ],
    [
      "a form sent by following a link",
      "POST",
      { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" },
      403,
    ],
    ["a page of this server", "POST", { origin: "http://127.0.0.1:PORT", "sec-fetch-site": "same-origin" }, 200],
    ["a page of this server, by an old browser", "POST", { origin: "http://127.0.0.1:PORT" }, 200],
    ["a program", "POST", {}, 200],
  ];
  it.each(fromElsewhere)("%s (%s) is answered rightly, %#", async (_what, method, headers, status) => {
    const { ask, port } = await givenGuarded({ withTokens: false });
    const filled = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, value.replace("PORT", String(port))]),
    );
    const reply = await ask(method, "/v1/batches", { headers: { ...filled, "content-type": "text/plain" } });
    expect(reply.status).toBe(status);
    expect(reply.headers["access-control-allow-origin"]).toBeUndefined();
  });

  it("it listens on this machine only, and says what to do otherwise", () => {
    const open = createAccess([]);
    for (const host of ["127.0.0.1", "localhost", "::1", "127.8.0.1"]) assertMayListen(host, open);
    for (const host of ["0.0.0.0", "::", "192.168.1.5", "fleet.example", ""]) {
      expect(() => assertMayListen(host, open)).toThrow(/set PROMPTFLEET_TOKEN/);
      assertMayListen(host, createAccess([], "a token"));
    }
  });
});

describe.concurrent("with tokens", () => {
  it("what has none, or a wrong one, gets 401 and is told how to send it", async () => {
    const { ask } = await givenGuarded();
    const wrong = [
      {},
      bearer("wrong"),
      bearer(tokensOfConfig[0]!.sha256),
      { "x-api-key": "wrong" },
      { authorization: "Basic YTpi" },
    ];
    for (const headers of wrong) {
      const { status, headers: answered, text } = await ask("GET", "/v1/files", { headers });
      expect([status, answered["www-authenticate"]]).toEqual([401, 'Bearer realm="promptfleet"']);
      expect(JSON.parse(text).error).toMatchObject({
        code: "invalid_api_key",
        message: expect.stringContaining("x-api-key"),
      });
    }
  });

  it("is told in the shape of Anthropic's API under its routes", async () => {
    const { ask } = await givenGuarded();
    const { text } = await ask("GET", "/v1/messages/batches");
    expect(JSON.parse(text)).toMatchObject({ type: "error", error: { type: "authentication_error" } });
  });

  it("takes it as bearer or as x-api-key, from anywhere and under any name", async () => {
    const { ask } = await givenGuarded();
    for (const headers of [
      bearer(adminToken),
      { "x-api-key": tokens.admin, host: "fleet.example", origin: "https://a.example" },
    ]) {
      expect((await ask("POST", "/anything", { headers })).status).toBe(200);
    }
  });

  const allowed: readonly [method: string, path: string, least: "read" | "submit" | "admin"][] = [
    ["GET", "/v1/batches", "read"],
    ["GET", "/queues/", "read"],
    ["GET", "/metrics", "read"],
    ["POST", "/v1/files", "submit"],
    ["DELETE", "/v1/files/file-1", "submit"],
    ["POST", "/v1/batches", "submit"],
    ["POST", "/v1/batches/batch_1/cancel", "submit"],
    ["POST", "/v1/messages/batches/msgbatch_1/cancel", "submit"],
    ["POST", "/v1/chat/completions", "submit"],
    ["POST", "/mcp", "submit"],
    ["POST", "/v1/batches/batch_1", "admin"],
    ["PUT", "/queues/api/queues/lab/pause", "admin"],
    ["POST", "/something/new", "admin"],
    ["DELETE", "/v1/batches/../../queues", "admin"],
  ];
  it.each(allowed)("%s %s needs the role %s at least, and says so", async (method, path, least) => {
    const { ask } = await givenGuarded();
    for (const role of ["read", "submit", "admin"] as const) {
      const { status, text } = await ask(method, path, { headers: bearer(tokens[role]) });
      const isEnough = ["read", "submit", "admin"].indexOf(role) >= ["read", "submit", "admin"].indexOf(least);
      expect([role, status]).toEqual([role, isEnough ? 200 : 403]);
      if (!isEnough) expect(text).toContain(`needs a token with the role ${least}; yours (a ${role}) has ${role}`);
    }
  });

  it("does not let anybody try many, and leaves a program with one old token, and its neighbours, alone", async () => {
    const { ask } = await givenGuarded();
    for (let time = 0; time < 2 * mostWrongTokens; time++) await ask("GET", "/", { headers: bearer("an old one") });
    expect((await ask("GET", "/", { headers: bearer(adminToken) })).status).toBe(200);
    const tries = Array.from({ length: mostWrongTokens }, (_, number) =>
      ask("GET", "/", { headers: bearer(`try ${number}`) }),
    );
    await Promise.all(tries);
    const { status, text } = await ask("GET", "/", { headers: bearer(adminToken) });
    expect([status, text]).toEqual([429, expect.stringContaining("too many wrong tokens")]);
  });

  it("takes so many requests a minute of each token", async () => {
    const { ask } = await givenGuarded({ serve: { limits: { maxRequestsPerMinute: 3 } } });
    const statuses: number[] = [];
    for (let time = 0; time < 5; time++)
      statuses.push((await ask("GET", "/", { headers: bearer(tokens.read) })).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    const refused = await ask("GET", "/", { headers: bearer(tokens.read) });
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0);
    expect(refused.text).toContain("more than 3 requests a minute");
    expect((await ask("GET", "/", { headers: bearer(tokens.submit) })).status).toBe(200);
  });

  it("sends a policy under which no page can load, run or frame what is not of this server", async () => {
    const { ask } = await givenGuarded();
    const { headers } = await ask("GET", "/login");
    expect(headers["content-security-policy"]).toBe(
      "default-src 'none';script-src 'self';style-src 'self';img-src 'self' data:;connect-src 'self';frame-ancestors 'none';base-uri 'none';form-action 'self'",
    );
    expect(headers).toMatchObject({ "x-content-type-options": "nosniff", "cache-control": "no-store" });
  });
});

it("the admin's token is in the environment; an empty one is none", async () => {
  const config = givenFleetConfig("f", { lab: { baseUrl: "http://127.0.0.1:1/v1" } });
  const access = await readAccess(config, { HOME: "/nowhere", PROMPTFLEET_TOKEN: adminToken });
  expect(access.callerOf(adminToken)).toEqual({ name: "owner", role: "admin" });
  expect(access.callerOf("")).toBeUndefined();
  expect((await readAccess(config, { HOME: "/nowhere", PROMPTFLEET_TOKEN: "" })).isOpen).toBe(true);
});
