import { describe, expect, it } from "vitest";
import type { Config } from "../../src/config/config.ts";
import { createRequestKeeper } from "../../src/pool/keep-requests.ts";
import { horizonMs } from "../../src/pool/pace.ts";
import { type FleetNames, fleetNames } from "../../src/queue/names.ts";
import { question } from "../support/given-pace.ts";
import { delayOf, givenScope as givenScopeOn, lateMs } from "../support/given-scope.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();
const givenScope = () => givenScopeOn(server);

describe("what is kept for online calls", () => {
  const kept = { keptSince: -120_000, keptUntil: 600_000 };
  const online = { onlineMs: 5_000 };

  it("lets one go ahead of the rows, and the next wait until its turn", async () => {
    const { set, ask, fromNow } = givenScope();
    await set({ ...kept, requests: 1_000 + 505 });
    const terms = question({ rpm: 600 });
    expect(await delayOf(ask(terms, online))).toBe(0);
    const keptAt = await fromNow("kept");
    expect(keptAt).toBeGreaterThan(1_000 - lateMs);
    expect(await delayOf(ask(terms, online))).toBeGreaterThan(1_000 - lateMs);
  });

  it("can be used only after a minute in which rows had less", async () => {
    const { set, ask } = givenScope();
    await set({ ...kept, keptSince: -30_000, requests: 1_000 + 505 });
    expect(await delayOf(ask(question({ rpm: 600 }), online))).toBeGreaterThan(1_000 - lateMs);
  });

  it("is a hundredth of the tokens: a larger call waits its turn", async () => {
    const { set, ask } = givenScope();
    const terms = question({ tpm: 60_000 });
    await set({ ...kept, tokens: 1_600 });
    expect(await delayOf(ask(terms, { ...online, weight: [601, 1] }))).toBeGreaterThan(900);
    await set({ ...kept, tokens: 1_600 });
    expect(await delayOf(ask(terms, { ...online, weight: [500, 1] }))).toBe(0);
  });

  it("does not go through a pause, and is not believed to be free in the far future", async () => {
    const { set, ask } = givenScope();
    await set({ ...kept, requests: 0, pausedUntil: 700 });
    expect(await delayOf(ask(question({ rpm: 600 }), online))).toBeGreaterThan(700 - lateMs);
    const other = givenScope();
    await other.set({ ...kept, requests: 140_000, kept: 1e12 });
    const turn = await other.ask(question({ rpm: 600 }), online);
    expect((turn as { delayMs: number }).delayMs).toBeLessThan(121_000);
    expect(await other.fromNow("kept")).toBeLessThan(121_000);
  });

  it("leaves rows the rest of the rate, and all of it where a limit is too small to keep any", async () => {
    const secondOf = async (rpm: number, keeps: boolean) => {
      const { set, ask } = givenScope();
      await set({ ...(keeps ? kept : {}), requests: 0 });
      const { charge } = (await ask(question({ rpm }), { onlineMs: 600_000 })) as {
        charge: { msEach: { requests: number } };
      };
      return charge.msEach.requests;
    };
    expect(await secondOf(10, true)).toBeCloseTo(60_000 / 9, 0);
    expect(await secondOf(10, false)).toBeCloseTo(60_000 / 10, 0);
    expect(await secondOf(9, true)).toBeCloseTo(60_000 / 9, 0);
  });

  it("sends a call away that would have to wait longer than its caller does, and charges nothing", async () => {
    const { set, ask, fromNow } = givenScope();
    await set({ requests: 9_000 });
    expect(await ask(question({ rpm: 600 }), online)).toMatchObject({ kind: "paced", reason: "requests" });
    expect(await fromNow("requests")).toBeLessThan(9_000);
  });
});

describe("who keeps something for online calls", () => {
  const config = {
    models: { small: { tier: "lab", model: "m" } },
    tiers: { lab: { name: "lab", limits: { rpm: 600 } } },
  };

  /** Says it once, as with a heartbeat; what Redis then knows. */
  async function keep(key: string, names: FleetNames): Promise<{ since: number; until: number; ttlMs: number }> {
    createRequestKeeper(server.client, names, config as unknown as Config)();
    // Commands of one connection come in their order.
    const [since, untilMs] = await server.client.hmget(key, "keptSince", "keptUntil");
    return { since: Number(since), until: Number(untilMs), ttlMs: await server.client.pttl(key) };
  }

  it("has kept it since it first said so, however often it says it, and from anew after a gap", async () => {
    const names = fleetNames(server.newFleetName());
    const key = names.pace("lab");
    const first = await keep(key, names);
    expect(first.until - first.since).toBe(120_000);
    await until("time to pass", () => Date.now() > first.since + 5);
    const again = await keep(key, names);
    expect(again.since).toBe(first.since);
    expect(again.until).toBeGreaterThan(first.until);
    await server.client.hset(key, { keptSince: 5, keptUntil: Date.now() - 1_000 });
    expect((await keep(key, names)).since).toBeGreaterThanOrEqual(first.since);
  });

  it("lets a scope be forgotten a day later, and a longer pause of it not sooner", async () => {
    const names = fleetNames(server.newFleetName());
    const key = names.pace("lab");
    const day = 86_400_000;
    expect((await keep(key, names)).ttlMs).toBeGreaterThan(day - 10_000);
    await server.client.pexpire(key, 3 * day);
    expect((await keep(key, names)).ttlMs).toBeGreaterThan(2 * day);
  });
});

describe("what headers say of others who use the same key", () => {
  const told = async (scope: ReturnType<typeof givenScope>, left: number) => {
    await server.client.hdel(scope.key, "limit:requests");
    scope.tell("lab", { limits: [["requests", { perMinute: 600, left }]], pauseMs: 0, reason: "" });
    await until("the news to be told", () => server.client.hexists(scope.key, "limit:requests"));
  };

  it("lowers what is left, and never raises it", async () => {
    const scope = givenScope();
    await scope.set({ requests: 0 });
    await told(scope, 0);
    const atNone = await scope.fromNow("requests");
    // A whole horizon, and a bucket, which is a second's worth here.
    expect(atNone).toBeGreaterThan(horizonMs + 600 - lateMs);
    await told(scope, 3);
    expect(await scope.fromNow("requests")).toBeGreaterThan(atNone - 2 * lateMs);
    await told(scope, 590);
    expect(await scope.fromNow("requests")).toBeGreaterThan(atNone - 3 * lateMs);
  });

  it("lets nothing go of a limit of few requests, of which none is left, until one has come back", async () => {
    const scope = givenScope();
    await scope.set({ requests: 0 });
    scope.tell("lab", { limits: [["requests", { perMinute: 6, left: 0 }]], pauseMs: 0, reason: "" });
    await until("the news to be told", () => server.client.hexists(scope.key, "limit:requests"));
    const turn = await scope.ask(question("auto"), { onlineMs: 1_000 });
    expect((turn as { delayMs: number }).delayMs).toBeGreaterThan(10_000 - lateMs);
  });

  it("fills no bucket of which Redis knows nothing: that one is empty", async () => {
    const scope = givenScope();
    await told(scope, 600);
    expect(await server.client.hexists(scope.key, "requests")).toBe(0);
  });
});

it("forgets a scope a day after it was last used, or paused, and not before its pause is over", async () => {
  const { key, ask, tell } = givenScope();
  const day = 86_400_000;
  await ask(question({ rpm: 600 }));
  expect(await server.client.pttl(key)).toBeGreaterThan(day - 10_000);
  expect(await server.client.pttl(key)).toBeLessThanOrEqual(day);
  tell("lab", { limits: [], pauseMs: 3 * day, reason: "in three days" });
  await until("the pause", async () => (await server.client.pttl(key)) > 3 * day);
  await ask(question({ rpm: 600 }));
  expect(await server.client.pttl(key)).toBeGreaterThan(3 * day);
  tell("lab", { limits: [["tokens", { perMinute: 1, left: 1 }]], pauseMs: 0, reason: "" });
  await until("the news to be told", () => server.client.hexists(key, "limit:tokens"));
  expect(await server.client.pttl(key)).toBeGreaterThan(3 * day);
});
