/**
 * Rows for a dead tier, then as many for a healthy one: how full the healthy one is kept.
 *   node scripts/chaos/dead-tier.ts [--rows 100000] [--slots 64] [--latencyMs 50] [--program dist/src/cli.js]
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assertEachRowOnce } from "../../test/support/laws.ts";
import { startSimulatedBackend } from "../../test/support/simulated-backend.ts";
import { until } from "../../test/support/until.ts";
import { type Figure, inWords } from "../bench/figures.ts";
import { builtProgram } from "../bench/fleet-run.ts";
import { printFigures, readOptions } from "../bench/run-alone.ts";
import { startSimulatedServer } from "../bench/simulated-server.ts";
import { inWorkplace } from "../bench/workplace.ts";
import { startProgram } from "./program-process.ts";

export interface DeadTierOptions {
  readonly program: string;
  /** For each of the two tiers. */
  readonly rows: number;
  readonly slots: number;
  readonly latencyMs: number;
}

export const deadTierDefaults: DeadTierOptions = { program: builtProgram, rows: 100_000, slots: 64, latencyMs: 50 };

const goal = 0.95;

export interface DeadTierResult {
  readonly busyShare: number;
  readonly figures: readonly Figure[];
}

export async function measureDeadTier({ program, rows, slots, latencyMs }: DeadTierOptions): Promise<DeadTierResult> {
  return inWorkplace(async (workplace) => {
    const healthy = await startSimulatedServer({ slots, latencyMs, sigma: 0.5 });
    const parked = await startSimulatedBackend();
    await parked.close();
    const directory = join(workplace, "run");
    mkdirSync(directory);
    const input = join(directory, "input.jsonl");
    const output = join(directory, "output.jsonl");
    const lineOf = (row: number, model: string) => `{"id":"r${row}","model":"${model}","prompt":"about #r${row}"}\n`;
    const lines = Array.from({ length: 2 * rows }, (_, row) => lineOf(row, row < rows ? "on-dead" : "on-healthy"));
    writeFileSync(input, lines.join(""));
    const config = join(directory, "models.json");
    const tier = (baseUrl: string) => ({
      provider: "openai-compatible",
      baseUrl,
      location: "local",
      concurrency: slots,
      fallbackAfterMs: 3_600_000,
    });
    writeFileSync(
      config,
      JSON.stringify({
        tiers: { dead: tier(parked.baseUrl), healthy: tier(healthy.baseUrl) },
        models: {
          "on-dead": { tier: "dead", model: "simulated-model" },
          "on-healthy": { tier: "healthy", model: "simulated-model" },
        },
        tasks: { simple: { primary: "on-healthy" } },
      }),
    );
    const args = ["run", input, "-o", output, "--config", config, "--data-dir", join(directory, "data"), "--json"];
    const run = startProgram(program, args, directory);
    try {
      const byHealthy = () =>
        Number(/.*"answered":(\d+)/.exec(run.stdout().trimEnd().split("\n").at(-1) ?? "")?.[1] ?? 0);
      await until("the healthy tier's rows", () => byHealthy() >= rows || !run.isRunning(), 1_800_000);
      const { busySlotMs, spanMs, requests } = await healthy.stats();
      if (requests !== rows)
        throw new Error(`the healthy tier was asked ${requests} times for ${rows} rows: ${run.stderr()}`);
      const busyShare = busySlotMs / (slots * spanMs);
      const up = await startSimulatedBackend({ port: parked.port });
      const code = await run.ended;
      await up.close();
      if (code !== 0) throw new Error(`the run ended with ${code}: ${run.stderr()}`);
      await assertEachRowOnce(output, 2 * rows);
      const figure: Figure = {
        what: `${inWords(rows)} rows for a dead tier, then ${inWords(rows)} for a healthy one (${slots} slots of ${latencyMs} ms): share of its slots kept busy`,
        figure: `${(100 * busyShare).toFixed(2)} %`,
        goal: `≥ ${100 * goal} %`,
        met: busyShare >= goal,
      };
      return { busyShare, figures: [figure] };
    } finally {
      if (run.isRunning()) run.signal("SIGTERM");
      await run.ended;
      await healthy.stop();
    }
  });
}

if (import.meta.main) printFigures((await measureDeadTier(readOptions(deadTierDefaults))).figures);
