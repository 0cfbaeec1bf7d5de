/**
 * All benchmarks, one after the other, and their table in the README.
 *   npm run bench                 full sizes (about twenty minutes on two cores); rewrites the table in README.md and
 *                                 docs/bench-results/latest.json
 *   npm run bench -- --quick      small sizes (about two minutes); prints only
 *   npm run bench -- --only throughput,slots     some parts; the others keep what was measured of them before
 *   --program PATH                another bin than dist/src/cli.js
 *   --vllm URL --ollama URL       real servers for the part `real`, which is left out without them (see real-sizing.ts)
 */
import { parseArgs } from "node:util";
import { adaptersDefaults, measureAdapters } from "./adapters.ts";
import { askDefaults, measureAsk } from "./ask.ts";
import { budgetDefaults, measureBudgets } from "./budget.ts";
import { consensusDefaults, measureConsensus } from "./consensus.ts";
import { builtProgram } from "./fleet-run.ts";
import { measureParts, type PartsOptions } from "./measure-parts.ts";
import { measureMemory, memoryDefaults } from "./memory.ts";
import { measureOnline, onlineDefaults } from "./online.ts";
import { measurePaceCost, paceCostDefaults } from "./pace-cost.ts";
import { measurePlanTrials, planTrialsDefaults } from "./plan-trials.ts";
import { measureQuota, quotaDefaults } from "./quota.ts";
import { measureRealSizing, realSizingDefaults } from "./real-sizing.ts";
import { measureServe, serveDefaults } from "./serve.ts";
import { measureSizing, sizingDefaults } from "./sizing.ts";
import { measureSlots, slotsDefaults } from "./slots.ts";
import { measureThroughput, throughputDefaults } from "./throughput.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    program: { type: "string", default: builtProgram },
    vllm: { type: "string", default: "" },
    ollama: { type: "string", default: "" },
  },
});
const { quick, program, vllm, ollama } = values;
const onRound = console.log;
/** What a part is given instead of its full size. */
const small = (size: object): object => (quick ? size : {});

const parts: PartsOptions["parts"] = {
  throughput: () =>
    measureThroughput({ ...throughputDefaults, program, onRound, ...small({ rows: 2_000, rounds: 1 }) }),
  slots: () => measureSlots({ ...slotsDefaults, program, ...small({ rows: 1_500 }) }),
  sizing: () => measureSizing({ ...sizingDefaults, program, ...small({ seconds: 6 }) }),
  real: () => measureRealSizing({ ...realSizingDefaults, program, vllm, ollama, ...small({ rounds: 1 }) }),
  memory: () => measureMemory({ ...memoryDefaults, program, ...small({ rows: 20_000 }) }),
  adapters: () => measureAdapters({ ...adaptersDefaults, onRound, ...small({ calls: 1_000, rounds: 1 }) }),
  quota: () => measureQuota({ ...quotaDefaults, program, ...small({ seconds: 10, processes: "2" }) }),
  pace: () => measurePaceCost({ ...paceCostDefaults, program, ...small({ rows: 3_000, seconds: 4 }) }),
  budget: () => measureBudgets({ ...budgetDefaults, program, ...small({ runs: 3 }) }),
  plan: () => measurePlanTrials({ ...planTrialsDefaults, program, ...small({ trials: 6 }) }),
  online: () => measureOnline({ ...onlineDefaults, program, ...small({ calls: 300 }) }),
  serve: () =>
    measureServe({ ...serveDefaults, program, ...small({ megabytes: 50, lines: 50_000, seconds: 2, rounds: 1 }) }),
  ask: () => measureAsk({ ...askDefaults, ...small({ questions: 20 }) }),
  consensus: () => measureConsensus({ ...consensusDefaults, program, ...small({ rows: 1_000, rounds: 1 }) }),
};

const hasReal = vllm !== "" || ollama !== "";
if (!hasReal)
  console.log("Left out: real (no --vllm URL and no --ollama URL); it keeps what was measured of it before.");
const names = Object.keys(parts).filter((name) => hasReal || name !== "real");
await measureParts({ kind: "bench", parts, only: values.only ?? names.join(), quick });
