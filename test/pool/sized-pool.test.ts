import { describe, expect, it } from "vitest";
import { joinFleet } from "../../src/fleet.ts";
import { afterTests } from "../support/clean-up.ts";
import { givenBackend } from "../support/given-backend.ts";
import { givenFleetConfig } from "../support/given-config.ts";
import { givenRows, startRun } from "../support/given-run.ts";
import { withRedis } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const server = withRedis();
/** More than any test gets answered: what ends a test is what it waits for. */
const endlessRows = givenRows(50_000);
const auto = { provider: "openai-compatible", concurrency: "auto" } as const;

describe.concurrent('a tier with concurrency "auto"', { timeout: 90_000 }, () => {
  it("sends more calls at once until its server is busy, and not many more", async () => {
    const backend = await givenBackend({ slots: 32, latencyMs: 300, sigma: 0.3 });
    const config = givenFleetConfig(server.newFleetName(), { lab: backend }, { tiers: { lab: { ...auto } } });
    const run = await startRun({ server, config, folder: temporaryFolder(), rows: endlessRows });
    await until("as many calls as there are slots", () => backend.peakInFlight >= 32, 60_000);
    const { sizes } = run.fleet.pools()[0]!.pool;
    await until("the search over", () => sizes.full() >= 24 && sizes.own() <= 64, 60_000);
  });

  it("never sends more than maxConcurrency", async () => {
    const backend = await givenBackend({ slots: 32, latencyMs: 50 });
    const tiers = { lab: { ...auto, maxConcurrency: 12 } };
    const config = givenFleetConfig(server.newFleetName(), { lab: backend }, { tiers });
    const run = await startRun({ server, config, folder: temporaryFolder(), rows: givenRows(300) });
    await until("as many calls as it may", () => backend.peakInFlight === 12);
    await run.finish();
    expect(backend.peakInFlight).toBe(12);
  });

  it("gives each of two servers what that one takes", async () => {
    const [large, small] = [
      await givenBackend({ slots: 40, latencyMs: 300, sigma: 0.3 }),
      await givenBackend({ slots: 4, latencyMs: 300, sigma: 0.3 }),
    ];
    const tiers = { lab: { ...auto, baseUrl: [large.baseUrl, small.baseUrl] } };
    const config = givenFleetConfig(server.newFleetName(), { lab: large }, { tiers });
    await startRun({ server, config, folder: temporaryFolder(), rows: endlessRows });
    await until("the large one busy", () => large.peakInFlight >= 40, 60_000);
    await until("far more asked of it", () => large.requests() > 2 * small.requests(), 60_000);
  });

  it("is divided with another process that joins", async () => {
    const backend = await givenBackend({ slots: 32, latencyMs: 300, sigma: 0.3 });
    const config = givenFleetConfig(server.newFleetName(), { lab: backend }, { tiers: { lab: { ...auto } } });
    const run = await startRun({ server, config, folder: temporaryFolder(), rows: endlessRows });
    await until("as many calls as there are slots", () => backend.peakInFlight >= 32, 60_000);
    const second = await joinFleet({ config, redis: server.address, foreignJob: async () => ({ value: null }) });
    afterTests(async () => {
      await second.leave(true);
      await second.close();
    });
    await second.startPool("lab");
    const pools = [run.fleet.pools()[0]!, second.pools()[0]!];
    const evenShares = (): boolean => {
      const [one, other] = pools.map((running) => running.slots()).sort((less, more) => less - more);
      const leaders = pools.filter(({ pool }) => pool.sizes.notices()[0]?.leads === true);
      return leaders.length === 1 && one! >= 10 && other! <= 2 * one!;
    };
    await until("an even share each", evenShares, 60_000);
  });
});
