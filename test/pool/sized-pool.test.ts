import { describe, expect, it } from "vitest";
import type { Config } from "../../src/config/config.ts";
import { type Fleet, joinFleet } from "../../src/fleet.ts";
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
    const second = await joinLab(config);
    const pools = [run.fleet.pools()[0]!, second.fleet.pools()[0]!];
    const evenShares = (): boolean => {
      const [one, other] = pools.map((running) => running.slots()).sort((less, more) => less - more);
      const leaders = pools.filter(({ pool }) => pool.sizes.notices()[0]?.leads === true);
      return leaders.length === 1 && one! >= 10 && other! <= 2 * one!;
    };
    await until("an even share each", evenShares, 60_000);
  });

  it("is one call in all with maxConcurrency 1: a process has none until the other leaves", async () => {
    const backend = await givenBackend({ slots: 32, latencyMs: 50 });
    const tiers = { lab: { ...auto, maxConcurrency: 1 } };
    const config = givenFleetConfig(server.newFleetName(), { lab: backend }, { tiers });
    const run = await startRun({ server, config, folder: temporaryFolder(), rows: endlessRows });
    const second = await joinLab(config);
    const shares = (): number[] => [run.fleet, second.fleet].map((fleet) => fleet.pools()[0]?.slots() ?? 0);
    await until("one share of 1 and one of 0", () => shares().sort().join() === "0,1", 60_000);
    const answered = run.answered();
    await until("answers all the same", () => run.answered() > answered + 5, 60_000);
    await second.end();
    await until("all of it for the one that is left", () => shares()[0] === 1, 60_000);
    expect(backend.peakInFlight).toBe(1);
  });
});

/** Another process that works the tier. */
async function joinLab(config: Config): Promise<{ readonly fleet: Fleet; end(): Promise<void> }> {
  const fleet = await joinFleet({ config, redis: server.address, foreignJob: async () => ({ value: null }) });
  let ending: Promise<void> | undefined;
  const end = (): Promise<void> => {
    ending ??= fleet.leave(true).then(fleet.close);
    return ending;
  };
  afterTests(end);
  await fleet.startPool("lab");
  return { fleet, end };
}
