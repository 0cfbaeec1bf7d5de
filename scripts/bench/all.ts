/**
 * All benchmarks, one after the other, and their table in the README.
 *   npm run bench                 full sizes (about six minutes on two cores); rewrites the table in README.md and
 *                                 docs/bench-results/latest.json
 *   npm run bench -- --quick      small sizes (about a minute); prints only
 *   --program PATH                another bin than dist/src/cli.js
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { adaptersDefaults, measureAdapters } from "./adapters.ts";
import { askDefaults, measureAsk } from "./ask.ts";
import { builtProgram } from "./fleet-run.ts";
import { measureMemory, memoryDefaults } from "./memory.ts";
import { measureOnline, onlineDefaults } from "./online.ts";
import { benchTable, circumstancesNow, withTable } from "./readme-table.ts";
import { printFigures } from "./run-alone.ts";
import { measureSizing, sizingDefaults } from "./sizing.ts";
import { measureSlots, slotsDefaults } from "./slots.ts";
import { measureThroughput, throughputDefaults } from "./throughput.ts";

const root = join(import.meta.dirname, "..", "..");
const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, program: { type: "string", default: builtProgram } },
});
const { quick, program } = values;
const size = quick
  ? {
      throughput: { rows: 2_000, rounds: 1 },
      slots: { rows: 1_500 },
      sizing: { seconds: 6 },
      memory: { rows: 20_000 },
      adapters: { calls: 1_000, rounds: 1 },
      online: { calls: 300 },
      ask: { questions: 20 },
    }
  : { throughput: {}, slots: {}, sizing: {}, memory: {}, adapters: {}, online: {}, ask: {} };

const throughput = await measureThroughput({
  ...throughputDefaults,
  ...size.throughput,
  program,
  onRound: console.log,
});
printFigures(throughput.figures, !quick);
const slots = await measureSlots({ ...slotsDefaults, ...size.slots, program });
printFigures(slots.figures, !quick);
const sizing = await measureSizing({ ...sizingDefaults, ...size.sizing, program });
printFigures(sizing.figures, !quick);
const memory = await measureMemory({ ...memoryDefaults, ...size.memory, program });
printFigures(memory.figures, !quick);
const adapters = await measureAdapters({ ...adaptersDefaults, ...size.adapters, onRound: console.log });
printFigures(adapters.figures, !quick);
const online = await measureOnline({ ...onlineDefaults, ...size.online, program });
printFigures(online.figures, !quick);
const ask = await measureAsk({ ...askDefaults, ...size.ask });
printFigures(ask.figures, !quick);

const circumstances = circumstancesNow(throughput.redisVersion);
if (quick) {
  console.log("\nSmall sizes: the goals are for the full ones, and README.md stays as it is.");
} else {
  const figures = [throughput, slots, sizing, memory, adapters, online, ask].flatMap((one) => one.figures);
  const table = benchTable(figures, circumstances);
  const results = join(root, "docs", "bench-results");
  mkdirSync(results, { recursive: true });
  writeFileSync(
    join(results, "latest.json"),
    `${JSON.stringify({ ...circumstances, throughput, slots, sizing, memory, adapters, online: online.figures, ask: ask.figures }, null, 2)}\n`,
  );
  writeTable(join(root, "README.md"), table);
}

function writeTable(path: string, table: string): void {
  const changed = existsSync(path) ? withTable(readFileSync(path, "utf8"), table) : undefined;
  if (changed === undefined) {
    console.log(`\n${path} has no <!-- bench:start --> and <!-- bench:end --> to write between:\n\n${table}`);
    return;
  }
  writeFileSync(path, changed);
  console.log(`\nWrote the table into ${path}`);
}
