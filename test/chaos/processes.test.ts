import { describe, expect, it } from "vitest";
import type { ResultLine } from "../../src/job/result.ts";
import { givenBackend } from "../support/given-backend.ts";
import { givenFleetConfig } from "../support/given-config.ts";
import { givenRows, type RunOptions, startRun } from "../support/given-run.ts";
import { unsettled } from "../support/laws.ts";
import { startPoolProcess } from "../support/pool-process.ts";
import { givenRedis, withRedis } from "../support/redis-server.ts";
import type { SimulatedBackend } from "../support/simulated-backend.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const server = withRedis();

async function given(
  rowCount: number,
  latencyMs: number,
): Promise<{ options: RunOptions; backend: SimulatedBackend; fleet: string }> {
  const backend = await givenBackend({ latencyMs });
  const fleet = server.newFleetName();
  const config = givenFleetConfig(fleet, { lab: backend });
  return { options: { server, config, folder: temporaryFolder(), rows: givenRows(rowCount) }, backend, fleet };
}

const notAnswered = (results: readonly ResultLine[]) => results.filter(({ status }) => status !== "answered");

describe.concurrent("pools in processes of their own", () => {
  it("share a tier's slots, so that together they have no more calls in flight than one would have", async () => {
    const { options, backend, fleet } = await given(400, 20);
    await startPoolProcess(server, fleet, { lab: backend });
    await startPoolProcess(server, fleet, { lab: backend });
    const run = await startRun({ ...options, folder: temporaryFolder(), rows: [], withPools: false, batchId: "none" });
    const [seconds] = await server.client.time();
    await until("both to have seen each other", async () => {
      const beats = await server.client.zrange(run.fleet.names.processes, "0", "-1", "WITHSCORES");
      return beats.filter((_field, at) => at % 2 === 1).every((beat) => Number(beat) > Number(seconds) * 1_000 + 1_000);
    });
    expect((await (await startRun({ ...options, withPools: false })).finish()).length).toBe(400);
    expect(backend.requests()).toBe(400);
    expect(backend.peakInFlight).toBeLessThanOrEqual(16);
    expect(backend.peakInFlight).toBeGreaterThan(8);
  });

  it("killed in the middle of calls: others ask those rows again, and no more", async () => {
    const { options, backend, fleet } = await given(400, 50);
    const doomed = await startPoolProcess(server, fleet, { lab: backend });
    const run = await startRun({ ...options, withPools: false });
    await until("calls in flight", () => run.answered() > 50 && backend.inFlight > 0);
    await doomed.kill();
    await until("the calls of the dead to be gone", () => backend.inFlight === 0);
    await startPoolProcess(server, fleet, { lab: backend });
    expect(await run.fleet.claims.readAskedAgain(run.batchId)).toBe(0);
    await run.batch.finished;
    const askedAgain = await run.fleet.claims.readAskedAgain(run.batchId);
    const results = await run.finish();
    expect(notAnswered(results)).toEqual([]);
    const asked = [...backend.countsByKey.values()];
    expect(Math.max(...asked)).toBe(2);
    const twice = asked.filter((count) => count === 2).length;
    expect(twice).toBeGreaterThan(0);
    // Those in flight at the kill, or answered to a process that was dead before it could record them.
    expect(twice).toBeLessThanOrEqual(unsettled(16));
    // Counted too: what had passed the gate and waited for its slot.
    expect(askedAgain).toBeGreaterThanOrEqual(twice);
    expect(askedAgain).toBeLessThanOrEqual(unsettled(16));
  });

  it("frozen for longer than a job's lock and a heartbeat: each row has one result", async () => {
    const { options, backend, fleet } = await given(120, 100);
    const frozen = await startPoolProcess(server, fleet, { lab: backend });
    const run = await startRun({ ...options, withPools: false });
    await until("calls in flight", () => run.answered() >= 32 && backend.inFlight > 0);
    frozen.signal("SIGSTOP");
    const other = await startPoolProcess(server, fleet, { lab: backend });
    await until("the other to have answered all", () => run.answered() === 120, 25_000);
    frozen.signal("SIGCONT");
    const results = await run.finish();
    expect(notAnswered(results)).toEqual([]);
    expect(backend.requests()).toBeLessThanOrEqual(120 + unsettled(16));
    await other.kill();
  });
});

describe.concurrent("a Redis that comes back empty to pools in several processes", () => {
  async function givenTwoPools() {
    const server = await givenRedis();
    const backend = await givenBackend({ latencyMs: 400 });
    const fleet = server.newFleetName();
    const config = givenFleetConfig(fleet, { lab: backend });
    for (let pool = 0; pool < 2; pool++) await startPoolProcess(server, fleet, { lab: backend });
    const run = await startRun({ server, config, folder: temporaryFolder(), rows: givenRows(200), withPools: false });
    await until("some answers", () => run.answered() > 60);
    await until("a moment between the answers", async () => {
      const { answered, inFlight } = backend.stats();
      const { results } = run.fleet.names.batch(run.batchId);
      return inFlight >= 14 && answered === run.answered() && (await server.client.xlen(results)) === 0;
    });
    return { server, backend, run };
  }

  it("gets the answers that came meanwhile, and no row is asked twice", async () => {
    const { server, backend, run } = await givenTwoPools();
    await server.kill();
    server.wipe();
    await until("the answers to come", () => backend.inFlight === 0);
    await server.start();
    expect(notAnswered(await run.finish())).toEqual([]);
    expect(backend.requests()).toBe(200);
  });

  it("gets one result for each row that was in a call, which at most another process asks again", async () => {
    const { server, backend, run } = await givenTwoPools();
    backend.setBehaviour({ latencyMs: 3_000 });
    const asked = backend.requests();
    await until("long calls", () => backend.requests() >= asked + 14);
    await server.kill();
    server.wipe();
    await server.start();
    backend.setBehaviour({ latencyMs: 100 });
    expect(notAnswered(await run.finish())).toEqual([]);
    expect(backend.requests()).toBeLessThanOrEqual(200 + 2 * unsettled(8));
  });
});

describe.concurrent("two owners of one batch", () => {
  it("the second takes over, the first stops, and each row has one result", async () => {
    const { options, backend } = await given(600, 10);
    const first = await startRun(options);
    await until("some answers", () => first.answered() > 100);
    const second = await startRun(options);
    await expect(first.batch.finished).rejects.toThrow(/another owner|taken over/);
    const answeredByFirst = first.answered();
    expect(notAnswered(await second.finish())).toEqual([]);
    expect(first.answered()).toBe(answeredByFirst);
    expect(backend.requests()).toBeLessThanOrEqual(600 + 32);
  });
});
