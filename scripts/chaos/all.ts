/**
 * The long form of the chaos suite: what is lost, double, asked again and slowed down when things break, and its table
 * in the README.
 *   npm run chaos                  full sizes (about half an hour on two cores); rewrites the table in README.md and
 *                                  docs/chaos-results/latest.json
 *   npm run chaos -- --quick       small sizes (about three minutes); prints only
 *   npm run chaos -- --only kills,recovery,redis-away,frozen-owner,dead-tier,million
 *   --seed N   another order of mishaps      --program PATH   another bin than dist/src/cli.js
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Figure } from "../bench/figures.ts";
import { builtProgram } from "../bench/fleet-run.ts";
import { benchTable, circumstancesNow, withTable } from "../bench/readme-table.ts";
import { printFigures } from "../bench/run-alone.ts";
import { deadTierDefaults, measureDeadTier } from "./dead-tier.ts";
import { frozenOwnerDefaults, measureFrozenOwner } from "./frozen-owner.ts";
import { killsDefaults, runKills } from "./kills.ts";
import { measureMillion, millionDefaults } from "./million.ts";
import { measureRecovery, recoveryDefaults } from "./recovery.ts";
import { measureRedisAway, redisAwayDefaults } from "./redis-away.ts";

const root = join(import.meta.dirname, "..", "..");
const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "kills,recovery,redis-away,frozen-owner,dead-tier,million" },
    seed: { type: "string", default: "1" },
    program: { type: "string", default: builtProgram },
  },
});
const { quick, program } = values;
const few = { poolKills: 3, ownerKills: 1, redisKills: 1, freezes: 1, redisCuts: 1, backendCuts: 1 };

const parts: Readonly<Record<string, () => Promise<{ readonly figures: readonly Figure[] }>>> = {
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
};

const measured: Record<string, { readonly figures: readonly Figure[] }> = {};
for (const name of values.only.split(",")) {
  const part = parts[name];
  if (part === undefined) throw new Error(`--only: expected some of ${Object.keys(parts).join(", ")}, found ${name}`);
  measured[name] = await part();
  printFigures(measured[name].figures, !quick);
}

if (quick) {
  console.log("\nSmall sizes: the goals are for the full ones, and README.md stays as it is.");
} else {
  const results = join(root, "docs", "chaos-results");
  const latest = join(results, "latest.json");
  mkdirSync(results, { recursive: true });
  // Parts that were not repeated keep what was measured of them before.
  const before = existsSync(latest) ? (JSON.parse(readFileSync(latest, "utf8")).measured as typeof measured) : {};
  const all = { ...before, ...measured };
  const version = execFileSync("redis-server", ["--version"], { encoding: "utf8" });
  const circumstances = circumstancesNow(/v=(\S+)/.exec(version)?.[1] ?? "unknown");
  writeFileSync(latest, `${JSON.stringify({ ...circumstances, measured: all }, null, 2)}\n`);
  const figures = Object.keys(parts).flatMap((name) => all[name]?.figures ?? []);
  const table = benchTable(figures, circumstances, "npm run chaos");
  const path = join(root, "README.md");
  const changed = withTable(readFileSync(path, "utf8"), table, "chaos");
  if (changed === undefined) console.log(`\n${path} has no <!-- chaos:start --> and <!-- chaos:end -->:\n\n${table}`);
  else writeFileSync(path, changed);
}
