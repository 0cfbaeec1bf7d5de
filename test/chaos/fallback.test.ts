import { describe, expect, it } from "vitest";
import { givenBackend, givenDeadBackend } from "../support/given-backend.ts";
import { givenFleetConfig } from "../support/given-config.ts";
import { givenRows, startRun } from "../support/given-run.ts";
import { assertNothingLeft } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const server = withRedis();

const tasks = { simple: { primary: "on-first", fallback: ["on-second"] } };
const overflow = {
  kind: "status",
  status: 400,
  body: JSON.stringify({
    error: { message: "This model's maximum context length is 10 tokens", code: "context_length_exceeded" },
  }),
} as const;

describe.concurrent("a row's next model", () => {
  it("gets the row once its tier has been down for longer than it waits, and no attempt is counted", async () => {
    const dead = await givenDeadBackend();
    const second = await givenBackend();
    const fleet = server.newFleetName();
    const first = { provider: "openai-compatible", fallbackAfterMs: 1_000 } as const;
    const run = await startRun({
      server,
      config: givenFleetConfig(fleet, { first: dead, second }, { tasks, tiers: { first } }),
      folder: temporaryFolder(),
      rows: givenRows(200),
    });
    const results = await run.finish(true);
    expect(new Set(results.map(({ model, status, attempts }) => `${model} ${status} ${attempts}`))).toEqual(
      new Set(["on-second answered 1"]),
    );
    expect(second.requests()).toBe(200);
    await assertNothingLeft(server.client, fleet);
  });

  it("does not get it while that time has not passed", async () => {
    const dead = await givenDeadBackend();
    const second = await givenBackend();
    const run = await startRun({
      server,
      config: givenFleetConfig(server.newFleetName(), { first: dead, second }, { tasks }),
      folder: temporaryFolder(),
      rows: givenRows(50),
    });
    const fallbackAtMs = () => run.fleet.pools()[0]?.pool.fallbackAtMs() ?? Number.POSITIVE_INFINITY;
    await until("several probes", () => fallbackAtMs() < performance.now() + 300_000 - 2_000);
    expect(second.requests()).toBe(0);
    await dead.start();
    const results = await run.finish();
    expect(results.every(({ model }) => model === "on-first")).toBe(true);
  });

  it("gets a row at once that is too long for the first, and the others stay", async () => {
    const first = await givenBackend({ fault: ({ key }) => (key === "r3" ? overflow : undefined) });
    const second = await givenBackend();
    const run = await startRun({
      server,
      config: givenFleetConfig(server.newFleetName(), { first, second }, { tasks }),
      folder: temporaryFolder(),
      rows: givenRows(20),
    });
    const results = await run.finish();
    expect(results.flatMap(({ model, id }) => (model === "on-second" ? [id] : []))).toEqual(["r3"]);
    expect([...second.countsByKey.keys()]).toEqual(["r3"]);
  });

  it("is not there for a row that is too long for the last: it fails with that reason", async () => {
    const backend = await givenBackend({ fault: ({ key }) => (key === "r3" ? overflow : undefined) });
    const run = await startRun({
      server,
      config: givenFleetConfig(server.newFleetName(), { first: backend, second: backend }, { tasks }),
      folder: temporaryFolder(),
      rows: givenRows(20),
    });
    const results = await run.finish();
    expect(results[3]?.error?.code).toBe("context_overflow");
  });
});

describe.concurrent("what waiting does not mend", () => {
  it.each([
    ["a bad key", 401, "no such key"],
    ["missing credit", 402, "no credit"],
    ["a missing model", 404, "the model 'simulated-model' does not exist"],
  ])("moves rows to their next model within seconds: %s", async (_title, status, message) => {
    const fault = { kind: "status", status, body: JSON.stringify({ error: { message } }) } as const;
    const first = await givenBackend({ fault });
    const second = await givenBackend();
    const run = await startRun({
      server,
      config: givenFleetConfig(server.newFleetName(), { first, second }, { tasks }),
      folder: temporaryFolder(),
      rows: givenRows(50),
    });
    const results = await run.finish();
    expect(new Set(results.map(({ model, status, attempts }) => `${model} ${status} ${attempts}`))).toEqual(
      new Set(["on-second answered 1"]),
    );
  });

  it("is waited for where the next model cannot be used either, and mended by a key from outside", async () => {
    const key = { now: "old" };
    const wantsNew = await givenBackend({
      fault: ({ headers }) => (headers.authorization === "Bearer new" ? undefined : { kind: "status", status: 401 }),
    });
    const dead = await givenDeadBackend();
    const fleetName = server.newFleetName();
    const config = givenFleetConfig(fleetName, { first: wantsNew, second: dead }, { tasks });
    const run = await startRun({
      server,
      config: { ...config, keyOf: () => "old", rereadKeyOf: async () => key.now },
      folder: temporaryFolder(),
      rows: givenRows(50),
    });
    expect(await until("the reason", () => run.fleet.pools()[0]?.pool.waitReason())).toMatch(/401.*apiKeyEnv/);
    expect(wantsNew.stats().answered).toBe(0);
    key.now = "new";
    const results = await run.finish();
    expect(results.filter(({ model, attempts }) => model !== "on-first" || attempts !== 1)).toEqual([]);
  });
});

describe.concurrent("a backend that asks to wait", () => {
  it("is asked again after its time, as often as it takes, and no attempt is counted", async () => {
    const throttle = { kind: "status", status: 429, headers: { "retry-after": "1" } } as const;
    const backend = await givenBackend({ fault: ({ request }) => (request <= 60 ? throttle : undefined) });
    const run = await startRun({
      server,
      config: givenFleetConfig(server.newFleetName(), { lab: backend }),
      folder: temporaryFolder(),
      rows: givenRows(100),
    });
    const results = await run.finish();
    expect(results.filter(({ status, attempts }) => status !== "answered" || attempts !== 1)).toEqual([]);
  });
});

describe.concurrent("a key that is refused", () => {
  it("pauses the tier with that reason, fails no row, and all are answered once it is accepted", async () => {
    const backend = await givenBackend({ fault: { kind: "status", status: 401 } });
    const run = await startRun({
      server,
      config: givenFleetConfig(server.newFleetName(), { lab: backend }),
      folder: temporaryFolder(),
      rows: givenRows(100),
    });
    expect(await until("the reason", () => run.fleet.pools()[0]?.pool.waitReason())).toMatch(/401|key/i);
    backend.setBehaviour({ fault: undefined });
    const results = await run.finish();
    expect(results.filter(({ status, attempts }) => status !== "answered" || attempts !== 1)).toEqual([]);
    expect(backend.requests()).toBeLessThan(100 + 40);
  });
});
