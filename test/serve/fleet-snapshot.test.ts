import { describe, expect, it } from "vitest";
import type { Config } from "../../src/config/config.ts";
import { type Fleet, joinFleet } from "../../src/fleet.ts";
import { createFleetLook, type FleetSnapshot, type TierState } from "../../src/serve/fleet-snapshot.ts";
import { afterTests } from "../support/clean-up.ts";
import { givenBackend } from "../support/given-backend.ts";
import { givenFleetConfig } from "../support/given-config.ts";
import { givenRows, startRun } from "../support/given-run.ts";
import { withRedis } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const server = withRedis();

async function join(config: Config): Promise<Fleet> {
  const fleet = await joinFleet({ config, redis: server.address, foreignJob: async () => ({ value: null }) });
  afterTests(async () => {
    await fleet.leave(false);
    await fleet.close();
  });
  return fleet;
}

const tierOf = (snapshot: FleetSnapshot, name: string): TierState =>
  snapshot.tiers.find(({ tier }) => tier === name) as TierState;

describe("a look at the whole fleet", () => {
  it("adds up what its processes have in flight, and counts what waits in the queue", async () => {
    const backend = await givenBackend({ latencyMs: 60_000 });
    const tiers = { lab: { baseUrl: backend.baseUrl } };
    const config = givenFleetConfig(server.newFleetName(), tiers);
    const helper = await join(config);
    await helper.startPool("lab");
    const folder = temporaryFolder();
    const { fleet } = await startRun({ server, config, folder, rows: givenRows(60) });
    const onlooker = createFleetLook(await join(config));
    const seen = await until("both pools to be seen at work", async () => {
      const snapshot = await onlooker.read();
      const { running, waiting, slots } = tierOf(snapshot, "lab");
      return running === backend.inFlight && running + waiting === 60 && slots === 16 ? snapshot : undefined;
    });
    const inFlight = [helper, fleet].map((one) => one.pools()[0]!.pool.inFlight());
    for (const calls of inFlight) expect(calls).toBeGreaterThan(0);
    expect(tierOf(seen, "lab").running).toBe(inFlight[0]! + inFlight[1]!);
    expect(seen.processes).toBe(3);
    expect(tierOf(seen, "lab")).toMatchObject({ processes: 2, isPaused: false, reasons: [] });
    expect(seen.redis.usedBytes).toBeGreaterThan(100_000);
    await fleet.queues.of("lab").pause();
    expect(tierOf(await onlooker.read(), "lab")).toMatchObject({ isPaused: true, reasons: ["its queue is paused"] });
  });

  it("counts on when a process leaves, and says how rows failed, but of no private one", async () => {
    const backend = await givenBackend({
      fault: ({ key }) =>
        key.startsWith("bad")
          ? { kind: "status" as const, status: 400, body: '{"error":{"message":"no such thing"}}' }
          : undefined,
    });
    const config = givenFleetConfig(server.newFleetName(), { lab: { baseUrl: backend.baseUrl } });
    const onlooker = createFleetLook(await join(config));
    await onlooker.read();
    const rows = [...givenRows(30), ...givenRows(2, {}, "bad"), ...givenRows(3, { private: true }, "bad-and-private")];
    const run = await startRun({ server, config, folder: temporaryFolder(), rows });
    await until("its end to be seen", async () => {
      const { answered, erred } = tierOf(await onlooker.read(), "lab");
      return answered === 30 && erred === 5;
    });
    await run.finish();
    const after = await until("it to be gone", async () => {
      const snapshot = await onlooker.read();
      return snapshot.processes === 1 ? snapshot : undefined;
    });
    expect(tierOf(after, "lab")).toMatchObject({ processes: 0, answered: 30, erred: 5 });
    expect(after.failures.map(({ row, code }) => [row, code]).sort()).toEqual([
      [30, "rejected"],
      [31, "rejected"],
    ]);
    expect(after.failures[0]).toMatchObject({ tier: "lab", model: "on-lab", batch: "run" });
    expect(after.failures[0]!.message).toContain("no such thing");
  });

  it("shows a quota that is used up, by the model whose limit it is, and why its rows wait", async () => {
    const backend = await givenBackend();
    const models = { "on-lab": { tier: "lab", model: "simulated-model", limits: { rpm: 120 } } };
    const config = givenFleetConfig(server.newFleetName(), { lab: { baseUrl: backend.baseUrl } }, { models });
    const { fleet } = await startRun({ server, config, folder: temporaryFolder(), rows: givenRows(200) });
    await until("rows to wait", () => fleet.pools()[0]?.pool.waitReason());
    const tier = tierOf(await createFleetLook(fleet).read(), "lab");
    expect(tier.quotas).toEqual([
      expect.objectContaining({
        scope: "lab/simulated-model",
        models: ["on-lab"],
        limits: [{ name: "requests", perMinute: 120, used: 1 }],
      }),
    ]);
    expect(tier.reasons[0]).toContain("limit of requests a minute");
  });

  it("says of a tier that is down why it waits, and that its endpoint is", async () => {
    const backend = await givenBackend({
      fault: { kind: "status", status: 401, body: '{"error":{"message":"bad key"}}' },
    });
    const config = givenFleetConfig(server.newFleetName(), { lab: { baseUrl: backend.baseUrl } });
    const { fleet } = await startRun({ server, config, folder: temporaryFolder(), rows: givenRows(5) });
    const look = createFleetLook(fleet);
    const tier = await until("it to be down", async () => {
      const state = tierOf(await look.read(), "lab");
      return state.endpointsDown === 1 ? state : undefined;
    });
    expect(tier).toMatchObject({ endpoints: 1, slots: 0, running: 0 });
    expect(tier.reasons[0]).toContain("bad key");
  });
});
