import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { createRowPlanner } from "../../src/plan-row.ts";
import { connectRedis } from "../../src/queue/connection.ts";
import { whyNoPrivateRows } from "../../src/queue/redis-location.ts";
import { createRouter } from "../../src/routing/choose-model.ts";
import { everyTier, givenConfig } from "../routing/given-config.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();
let url: string;
beforeAll(async () => {
  url = await server.listenOnPort();
});

const resolvesTo =
  (...addresses: string[]) =>
  async () =>
    addresses.map((address) => ({ address }));

describe("Redis may carry private rows", () => {
  it.each(["redis://127.0.0.1:6379", "redis://[::1]:6379", "redis://10.0.0.2", "redis://localhost"])(
    "at %s",
    async (at) => {
      expect(await whyNoPrivateRows({ url: at }, [])).toBeUndefined();
    },
  );
  it("on a unix socket, on a trusted host, and by a name whose addresses are all local", async () => {
    expect(await whyNoPrivateRows({ socketPath: "/tmp/redis.sock" }, [])).toBeUndefined();
    expect(await whyNoPrivateRows({ url: "rediss://r.example.net" }, ["r.example.net"])).toBeUndefined();
    const lookup = resolvesTo("10.0.0.2", "fd00::2");
    expect(await whyNoPrivateRows({ url: "redis://redis.internal" }, [], lookup)).toBeUndefined();
  });
});

describe("Redis may not carry private rows", () => {
  it.each([
    ["at a public address", "redis://:secret@203.0.113.9:6379", resolvesTo()],
    ["by a name that has one public address", "redis://:secret@r.example.net", resolvesTo("10.0.0.2", "203.0.113.9")],
    [
      "by a name that cannot be looked up",
      "redis://:secret@r.example.net",
      async () => Promise.reject(new Error("ENOTFOUND")),
    ],
  ])("%s, with the reason and without its password", async (_where, at, lookup) => {
    const why = await whyNoPrivateRows({ url: at }, [], lookup);
    expect(why).toMatch(/^private, and its Redis.*policy\.trustedHosts/);
    expect(why).not.toContain("secret");
  });

  it("so they are refused before they are queued, and others are not", () => {
    const config = givenConfig();
    const plan = createRowPlanner(createRouter(config, everyTier), config, { noPrivateRows: "its Redis is not local" });
    const row = { id: "r", private: false, request: { messages: [] } };
    expect(plan(row)).toMatchObject({ ok: true });
    for (const one of [
      { ...row, private: true },
      { ...row, task: "secret" },
    ]) {
      expect(plan(one)).toMatchObject({ ok: false, code: "policy_refused", message: "its Redis is not local" });
    }
  });
});

describe("a connection to Redis that must stay local", () => {
  it("says nothing to a server at another address, and goes on when it is back at its own", async () => {
    let mayConnect = false;
    const judged: string[] = [];
    const mayConnectTo = (address: string) => judged.push(address) > 0 && mayConnect;
    const redis = connectRedis({ url, mayConnectTo }, "test");
    onTestFinished(() => redis.disconnect());
    const written = redis.set("held-back", "the text of a private row");
    await until("several tries", () => judged.length >= 3);
    expect(judged).toContain("127.0.0.1");
    expect(await server.client.exists("held-back")).toBe(0);
    mayConnect = true;
    await written;
    expect(await server.client.exists("held-back")).toBe(1);
  });
});
