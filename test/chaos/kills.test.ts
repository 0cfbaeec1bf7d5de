import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { killsDefaults, runKills } from "../../scripts/chaos/kills.ts";

const program = fileURLToPath(new URL("../../src/cli.ts", import.meta.url));

/** The short form of `npm run chaos`, whose long one is in the README. */
it.each([1, 2])(
  "processes killed, frozen and cut off at random: nothing lost, nothing double, only what was in flight asked again (seed %i)",
  async (seed) => {
    const few = { poolKills: 2, ownerKills: 1, redisKills: 1, freezes: 1, redisCuts: 1, backendCuts: 1 };
    const options = { ...killsDefaults, ...few, program, seed, rows: 5_000, pools: 2, concurrency: 32 };
    const { askedAgain, allowed } = await runKills(options);
    expect(askedAgain).toBeLessThanOrEqual(allowed);
  },
  180_000,
);
