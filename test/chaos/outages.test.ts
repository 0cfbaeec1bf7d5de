import { describe, expect, it } from "vitest";
import { givenBackend, givenDeadBackend } from "../support/given-backend.ts";
import { givenFleetConfig } from "../support/given-config.ts";
import { givenRows, startRun } from "../support/given-run.ts";
import { assertNothingLeft } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const server = withRedis();

describe.concurrent("a backend that is down", () => {
  it("keeps its rows waiting without an attempt being counted, says why, and answers all when it is up", async () => {
    const backend = await givenDeadBackend();
    const fleet = server.newFleetName();
    const run = await startRun({
      server,
      config: givenFleetConfig(fleet, { lab: backend }),
      folder: temporaryFolder(),
      rows: givenRows(200),
    });
    const reason = await until("a reason to wait", () => run.fleet.pools()[0]?.pool.waitReason());
    expect(reason).toMatch(/ECONNREFUSED|refused/i);
    const up = await backend.start();
    const results = await run.finish();
    expect(results.filter(({ status, attempts }) => status !== "answered" || attempts !== 1)).toEqual([]);
    expect(up.requests()).toBe(200);
    await assertNothingLeft(server.client, fleet);
  });

  it("does not hold up rows behind it that are for another tier, nor fill Redis with its own", async () => {
    const dead = await givenDeadBackend();
    const healthy = await givenBackend();
    const fleet = server.newFleetName();
    const run = await startRun({
      server,
      config: givenFleetConfig(fleet, { dead, healthy }),
      folder: temporaryFolder(),
      rows: [...givenRows(3_000), ...givenRows(300, { model: "on-healthy" }, "h")],
    });
    await until("the healthy tier's rows", () => run.answered() === 300, 10_000);
    expect(run.batch.progress.byTier.get("healthy")?.answered).toBe(300);
    expect(run.batch.progress.byTier.get("dead")).toBeUndefined();
    expect(await server.client.hlen(run.fleet.names.batch(run.batchId).payloads)).toBeLessThanOrEqual(128);
    const up = await dead.start();
    const results = await run.finish();
    expect(results.filter(({ attempts }) => attempts !== 1)).toEqual([]);
    expect(up.requests()).toBe(3_000);
    expect(healthy.requests()).toBe(300);
  });
});

describe.concurrent("a deadline that passes while a backend is down", () => {
  it("gives every row without an answer its failed result, fed or not, and nothing is asked for them later", async () => {
    const dead = await givenDeadBackend();
    const healthy = await givenBackend();
    const config = givenFleetConfig(server.newFleetName(), { dead, healthy });
    const run = await startRun({
      server,
      config,
      folder: temporaryFolder(),
      rows: [...givenRows(2_500), ...givenRows(50, { model: "on-healthy" }, "h")],
    });
    await until("the healthy tier's rows", () => run.answered() === 50);
    await run.batch.endRemaining("deadline_passed", "too late");
    const results = await run.finish();
    expect(results.filter(({ error }) => error?.code === "deadline_passed").length).toBe(2_500);
    expect(results.filter(({ status }) => status === "answered").length).toBe(50);

    const up = await dead.start();
    const next = await startRun({
      server,
      config,
      folder: temporaryFolder(),
      rows: givenRows(20, {}, "n"),
      batchId: "2",
    });
    await next.finish(true);
    expect([...up.countsByKey.keys()].filter((key) => !key.startsWith("n"))).toEqual([]);
    await assertNothingLeft(server.client, config.fleet);
  });

  it("aborts the calls in flight and still records one result for each", async () => {
    const stuck = await givenBackend({ fault: { kind: "stall" } });
    const run = await startRun({
      server,
      config: givenFleetConfig(server.newFleetName(), { stuck }),
      folder: temporaryFolder(),
      rows: givenRows(100),
    });
    await until("calls in flight", () => stuck.inFlight === 16);
    await run.batch.endRemaining("cancelled", "no longer wanted");
    const results = await run.finish();
    expect(results.filter(({ error }) => error?.code === "cancelled").length).toBe(100);
    await until("the calls to be aborted", () => stuck.inFlight === 0);
  });
});

describe.concurrent("errors of a backend", () => {
  it("fail no row when everybody gets them for a while", async () => {
    const backend = await givenBackend({ fault: status500 });
    const run = await startRun({
      server,
      config: givenFleetConfig(server.newFleetName(), { lab: backend }),
      folder: temporaryFolder(),
      rows: givenRows(300),
    });
    await until("a trial that failed as well", () => backend.requests() > 17);
    backend.setBehaviour({ fault: undefined });
    const results = await run.finish();
    expect(results.filter(({ status, attempts }) => status !== "answered" || attempts !== 1)).toEqual([]);
  });

  it("fail the one row that always gets them while others are answered, and no other", async () => {
    const backend = await givenBackend({ fault: ({ key }) => (key === "r7" ? status500 : undefined) });
    const run = await startRun({
      server,
      config: givenFleetConfig(server.newFleetName(), { lab: backend }),
      folder: temporaryFolder(),
      rows: givenRows(300),
    });
    await until("the others", () => run.answered() === 299, 5_000);
    const results = await run.finish();
    expect(results[7]?.error).toMatchObject({ code: "attempts_exhausted" });
    expect(results.filter(({ status }) => status === "answered").length).toBe(299);
    expect(backend.countsByKey.get("r7")).toBe(5);
    expect(backend.requests()).toBe(299 + 5);
  });
});

describe.concurrent("jobs that somebody removed from a queue by hand", () => {
  it("are found missing and queued again", async () => {
    const backend = await givenBackend({ fault: status500 });
    const run = await startRun({
      server,
      config: givenFleetConfig(server.newFleetName(), { lab: backend }),
      folder: temporaryFolder(),
      rows: givenRows(100),
    });
    await until("the tier to be paused", () => run.fleet.pools()[0]?.pool.waitReason());
    await run.fleet.queues.of("lab").obliterate({ force: true });
    backend.setBehaviour({ fault: undefined });
    const results = await run.finish(true);
    expect(results.filter(({ status }) => status !== "answered")).toEqual([]);
  });
});

const status500 = { kind: "status", status: 500 } as const;
