import { describe, expect, it } from "vitest";
import { createSessions, idleMs } from "../../src/serve/sessions.ts";
import { type Guarded, givenGuarded, type Reply, tokens } from "./given-guarded.ts";

const looking = { accept: "text/html,application/xhtml+xml" };
const form = { "content-type": "application/x-www-form-urlencoded" };
const ownPage = { "sec-fetch-site": "same-origin" };

const logIn = (server: Guarded, token: string, next = "", headers: Record<string, string> = ownPage): Promise<Reply> =>
  server.ask("POST", "/login", {
    headers: { ...form, ...headers },
    body: new URLSearchParams({ token, next }).toString(),
  });

const cookieOf = ({ headers }: Reply): string => headers["set-cookie"]?.[0]?.split(";")[0] ?? "";

describe.concurrent("a browser", () => {
  it.each([
    ["/", "login"],
    ["/queues/", "../login?next=queues%2F"],
    [
      "/queues/queue/lab/b1-0-0-0?status=failed",
      "../../../login?next=queues%2Fqueue%2Flab%2Fb1-0-0-0%3Fstatus%3Dfailed",
    ],
    ["//evil.example/", "../../login?next=evil.example%2F"],
  ])("that opens %s is led to the login, whatever path a proxy has put before both", async (path, location) => {
    const { ask } = await givenGuarded();
    const { status, headers } = await ask("GET", path, { headers: looking });
    expect([status, headers.location]).toEqual([303, location]);
  });

  it("gets a cookie for its token that no script, no other site and no other path sees, and is led back", async () => {
    const server = await givenGuarded();
    const reply = await logIn(server, tokens.read, "queues/queue/lab");
    expect([reply.status, reply.headers.location]).toEqual([303, "queues/queue/lab"]);
    const cookie = reply.headers["set-cookie"]![0]!;
    expect(cookie).toMatch(/^promptfleet_session=[\w-]{43}; HttpOnly; SameSite=Strict; Max-Age=43200$/);
    expect(cookie).not.toContain(tokens.read);
    const { text } = await server.ask("GET", "/v1/files", { headers: { cookie: cookieOf(reply) } });
    expect(JSON.parse(text).caller).toEqual({ name: "a read", role: "read" });
  });

  it("gets a cookie for https only where a proxy says that it speaks https", async () => {
    const reply = await logIn(await givenGuarded(), tokens.read, "", { ...ownPage, "x-forwarded-proto": "https" });
    expect(reply.headers["set-cookie"]![0]).toContain("; Secure");
  });

  it("is told that its token is wrong, and stays out", async () => {
    const reply = await logIn(await givenGuarded(), "wrong");
    expect([reply.status, reply.text]).toEqual([401, expect.stringContaining("not a token of this server")]);
    expect(reply.headers["set-cookie"]).toBeUndefined();
  });

  it.each([
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    "../../x",
    "a/%2e%2e/b",
    '"><script>',
  ])("is not led to %s after it", async (next) => {
    const server = await givenGuarded();
    expect((await logIn(server, tokens.read, next)).headers.location).toBe("./");
    const { text } = await server.ask("GET", `/login?next=${encodeURIComponent(next)}`);
    expect(text).toContain('name="next" type="hidden" value=""');
  });

  it("changes nothing for the page of another site, and does for one of this server", async () => {
    const server = await givenGuarded();
    const cookie = cookieOf(await logIn(server, tokens.admin));
    const pause = (headers: Record<string, string>) =>
      server.ask("PUT", "/queues/api/queues/lab/pause", { headers: { cookie, ...headers } });
    const host = "fleet.example";
    const statuses = [
      (await pause({ "sec-fetch-site": "cross-site", origin: "https://evil.example" })).status,
      (await pause({ "sec-fetch-site": "same-site", origin: "https://other.fleet.example" })).status,
      (await pause({ origin: "https://evil.example", host })).status,
      (await pause({ origin: "null" })).status,
      (await pause({})).status,
    ];
    expect(statuses).toEqual([403, 403, 403, 403, 403]);
    const own = [
      (await pause({ "sec-fetch-site": "same-origin", origin: "https://fleet.example" })).status,
      (await pause({ origin: "https://fleet.example", host })).status,
      (await pause({ origin: "https://fleet.example", "x-forwarded-host": host })).status,
    ];
    expect(own).toEqual([200, 200, 200]);
  });

  it("cannot be logged in by the page of another site", async () => {
    const reply = await logIn(await givenGuarded(), tokens.read, "", {
      origin: "https://evil.example",
      "sec-fetch-site": "cross-site",
    });
    expect([reply.status, reply.headers["set-cookie"]]).toEqual([403, undefined]);
  });

  it("logs out, and its cookie is worth nothing any more", async () => {
    const server = await givenGuarded();
    const cookie = cookieOf(await logIn(server, tokens.read));
    const out = await server.ask("POST", "/logout", { headers: { cookie, ...ownPage } });
    expect([out.status, out.headers.location, cookieOf(out)]).toEqual([303, "login", "promptfleet_session="]);
    expect((await server.ask("GET", "/v1/files", { headers: { cookie } })).status).toBe(401);
  });

  it("has no more rights than its token", async () => {
    const server = await givenGuarded();
    const cookie = cookieOf(await logIn(server, tokens.read));
    const { status } = await server.ask("POST", "/v1/files", { headers: { cookie, ...ownPage } });
    expect(status).toBe(403);
  });
});

it("a login ends when it is not used, and after a week in any case", () => {
  let nowMs = 0;
  const sessions = createSessions(() => nowMs);
  const caller = { name: "somebody", role: "read" } as const;
  const [unused, used] = [sessions.open(caller), sessions.open(caller)];
  for (; nowMs <= 7 * 86_400_000; nowMs += idleMs) expect(sessions.callerOf(used)).toEqual(caller);
  expect([sessions.callerOf(unused), sessions.callerOf(used), sessions.callerOf("")]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
