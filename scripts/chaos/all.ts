/**
 * The long form of the chaos suite: what is lost, double, asked again and slowed down when things break, and its table
 * in the README.
 *   npm run chaos                  full sizes (about half an hour on two cores); rewrites the table in README.md and
 *                                  docs/chaos-results/latest.json
 *   npm run chaos -- --quick       small sizes (about three minutes); prints only
 *   npm run chaos -- --only kills,recovery,redis-away,frozen-owner,dead-tier,million,overhead
 *   --seed N   another order of mishaps      --program PATH   another bin than dist/src/cli.js
 */
import { parseArgs } from "node:util";
import { builtProgram } from "../bench/fleet-run.ts";
import { measureParts, type PartsOptions } from "../bench/measure-parts.ts";
import { deadTierDefaults, measureDeadTier } from "./dead-tier.ts";
import { frozenOwnerDefaults, measureFrozenOwner } from "./frozen-owner.ts";
import { killsDefaults, runKills } from "./kills.ts";
import { measureMillion, millionDefaults } from "./million.ts";
import { measureOverhead, overheadDefaults } from "./overhead.ts";
import { measureRecovery, recoveryDefaults } from "./recovery.ts";
import { measureRedisAway, redisAwayDefaults } from "./redis-away.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    seed: { type: "string", default: "1" },
    program: { type: "string", default: builtProgram },
  },
});
const { quick, program } = values;
const few = { poolKills: 3, ownerKills: 1, redisKills: 1, freezes: 1, redisCuts: 1, backendCuts: 1, clockSteps: 1 };

const parts: PartsOptions["parts"] = {
  kills: () =>
    runKills(
      { ...killsDefaults, program, seed: Number(values.seed), ...(quick ? { rows: 8_000, pools: 3, ...few } : {}) },
      console.log,
    ),
  recovery: () => measureRecovery({ ...recoveryDefaults, program, ...(quick ? { rounds: 1 } : {}) }),
  "redis-away": () =>
    measureRedisAway({ ...redisAwayDefaults, program, ...(quick ? { seconds: 8, rows: 2_000 } : {}) }),
  "frozen-owner": () =>
    measureFrozenOwner({ ...frozenOwnerDefaults, program, ...(quick ? { seconds: 15, rows: 5_000 } : {}) }),
  "dead-tier": () => measureDeadTier({ ...deadTierDefaults, program, ...(quick ? { rows: 5_000 } : {}) }),
  million: () => measureMillion({ ...millionDefaults, program, ...(quick ? { rows: 20_000 } : {}) }),
  overhead: () => measureOverhead({ ...overheadDefaults, program, ...(quick ? { rows: 2_000, rounds: 1 } : {}) }),
};

await measureParts({ kind: "chaos", parts, only: values.only ?? Object.keys(parts).join(), quick });
