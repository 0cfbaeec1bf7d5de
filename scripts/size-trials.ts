/**
 * Tries the controller of `concurrency: "auto"` on the SIMULATED servers of its tests, each with many seeds, in virtual
 * time: what it brings of the best fixed number of calls, and how many calls it holds for each that is needed.
 *   node scripts/size-trials.ts [--seeds 50] [--only "soft knee"]
 */
import { parseArgs } from "node:util";
import {
  answersBetween,
  bestFixed,
  meanInFlight,
  runTrial,
  type SizeTrial,
  sizeTrials,
} from "../test/support/size-trials.ts";

const { values } = parseArgs({
  options: { seeds: { type: "string", default: "50" }, only: { type: "string", default: "" } },
});

const quantile = (sorted: readonly number[], share: number): number => sorted[Math.floor(share * (sorted.length - 1))]!;

function inWords(numbers: readonly number[], factor: number, digits: number): string {
  const sorted = [...numbers].sort((one, other) => one - other);
  const mean = numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
  return [mean, quantile(sorted, 0.1), quantile(sorted, 0.5), quantile(sorted, 0.9)]
    .map((one) => (factor * one).toFixed(digits).padStart(6))
    .join(" ");
}

console.log(`${"".padEnd(38)} % of the best fixed: mean, 10 %, median, 90 % · calls for each needed: the same`);
for (const [name, trial] of Object.entries<SizeTrial>(sizeTrials)) {
  if (!name.includes(values.only)) continue;
  const { fromMs, forMs } = trial;
  const best = bestFixed(trial);
  const runs = Array.from({ length: Number(values.seeds) }, (_, seed) => runTrial(trial, seed + 1).samples);
  const shares = runs.map((samples) => answersBetween(samples, fromMs, forMs) / best.answers);
  const held = runs.map((samples) => meanInFlight(samples, fromMs, forMs) / best.fewest);
  console.log(`${name.padEnd(38)} ${inWords(shares, 100, 1)} · ${inWords(held, 1, 2)} (${best.fewest})`);
}
