import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { measureFrozenOwner } from "../../scripts/chaos/frozen-owner.ts";
import { killsDefaults, runKills } from "../../scripts/chaos/kills.ts";
import { measureRecovery } from "../../scripts/chaos/recovery.ts";
import { measureRedisAway } from "../../scripts/chaos/redis-away.ts";

const program = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));

/** What `npm run chaos` shows at full size, small: real processes, a real Redis, a SIMULATED backend. */
describe("the chaos suite's short form", () => {
  it.each([1, 2])(
    "processes killed, frozen and cut off, and their clocks set, at random: nothing lost or double, only what was in flight asked again (seed %i)",
    async (seed) => {
      const few = {
        poolKills: 2,
        ownerKills: 1,
        redisKills: 1,
        freezes: 1,
        redisCuts: 1,
        backendCuts: 1,
        clockSteps: 2,
      };
      const options = { ...killsDefaults, ...few, program, seed, rows: 5_000, pools: 2, concurrency: 32 };
      const { askedAgain, allowed } = await runKills(options);
      expect(askedAgain).toBeLessThanOrEqual(allowed);
    },
    180_000,
  );

  it("rows of a killed pool are in flight elsewhere within seconds", async () => {
    const { seconds } = await measureRecovery({ program, calls: 64, rounds: 1 });
    // The goal is 15 s; the machine may be busy.
    expect(Math.max(...seconds)).toBeLessThan(25);
  }, 120_000);

  it("Redis away for a while: all say so, hardly use the processor, and ask nothing again that was answered", async () => {
    const { figures, askedAgain, cpuShare } = await measureRedisAway({ program, seconds: 8, rows: 1_500 });
    expect(askedAgain).toBe(0);
    expect(cpuShare).toBeLessThan(0.1);
    expect(figures.map(({ figure }) => figure).join()).toContain("all said so");
  }, 120_000);

  it("the owner frozen for a while: Redis does not grow, the pools say for whom they wait, nothing is asked again", async () => {
    const { figures } = await measureFrozenOwner({ program, seconds: 15, rows: 15_000 });
    expect(figures.filter(({ met }) => met !== true)).toEqual([]);
  }, 120_000);
});
