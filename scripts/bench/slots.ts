/**
 * How full a server is kept: a simulated one with 64 slots and lognormal service times, asked with as many calls at a
 * time. What counts is the server's own integral of busy slots between the first and the last request that reached it.
 *   node scripts/bench/slots.ts [--rows 11300] [--slots 64] [--latencyMs 200] [--program dist/src/cli.js]
 */
import { join } from "node:path";
import type { Figure } from "./figures.ts";
import { builtProgram, measureFleetRun } from "./fleet-run.ts";
import { writePrompts } from "./prompts.ts";
import { printFigures, readOptions } from "./run-alone.ts";
import { startSimulatedServer } from "./simulated-server.ts";
import { inWorkplace } from "./workplace.ts";

export interface SlotsOptions {
  readonly program: string;
  /** 64 slots of 227 ms on average serve 282 rows a second. */
  readonly rows: number;
  readonly slots: number;
  /** Median; the spread (sigma) is 0.5. */
  readonly latencyMs: number;
}

export const slotsDefaults: SlotsOptions = { program: builtProgram, rows: 11_300, slots: 64, latencyMs: 200 };

const sigma = 0.5;
const goal = 0.98;

export interface SlotsResult {
  /** Share of the slots that was busy, 0 to 1. */
  readonly busyShare: number;
  readonly spanMs: number;
  readonly peakInFlight: number;
  readonly figures: readonly Figure[];
}

export async function measureSlots({ program, rows, slots, latencyMs }: SlotsOptions): Promise<SlotsResult> {
  return inWorkplace(async (workplace) => {
    const input = join(workplace, "input.jsonl");
    await writePrompts(input, rows);
    const server = await startSimulatedServer({ slots, latencyMs, sigma });
    try {
      const directory = join(workplace, "run");
      await measureFleetRun({ program, directory, input, rows, port: server.port, concurrency: slots });
      const { busySlotMs, spanMs, peakInFlight } = await server.stats();
      const busyShare = busySlotMs / (slots * spanMs);
      const figure: Figure = {
        what: `${slots} slots of ${latencyMs} ms (lognormal), \`concurrency: ${slots}\`, ${Math.round(spanMs / 1_000)} s: share of slots kept busy`,
        figure: `${(100 * busyShare).toFixed(2)} %`,
        goal: `≥ ${100 * goal} %`,
        met: busyShare >= goal,
      };
      return { busyShare, spanMs, peakInFlight, figures: [figure] };
    } finally {
      await server.stop();
    }
  });
}

if (import.meta.main) printFigures((await measureSlots(readOptions(slotsDefaults))).figures);
