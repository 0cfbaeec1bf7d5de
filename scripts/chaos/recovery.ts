/**
 * How long the rows of a killed pool wait until they are in calls elsewhere.
 *   node scripts/chaos/recovery.ts [--calls 64] [--rounds 3] [--program dist/src/cli.js]
 */
import { join } from "node:path";
import { until } from "../../test/support/until.ts";
import type { Figure } from "../bench/figures.ts";
import { builtProgram } from "../bench/fleet-run.ts";
import { printFigures, readOptions } from "../bench/run-alone.ts";
import { inWorkplace } from "../bench/workplace.ts";
import { openArena } from "./arena.ts";

export interface RecoveryOptions {
  readonly program: string;
  /** In flight at the pool that is killed. */
  readonly calls: number;
  readonly rounds: number;
}

export const recoveryDefaults: RecoveryOptions = { program: builtProgram, calls: 64, rounds: 3 };

const goalSeconds = 15;

export interface RecoveryResult {
  readonly seconds: readonly number[];
  readonly figures: readonly Figure[];
}

export async function measureRecovery({ program, calls, rounds }: RecoveryOptions): Promise<RecoveryResult> {
  const seconds: number[] = [];
  for (let round = 0; round < rounds; round++) {
    seconds.push(await inWorkplace((workplace) => measureOnce(program, calls, join(workplace, "arena"))));
  }
  const worst = Math.max(...seconds);
  const figure: Figure = {
    what: `From SIGKILL of a pool with ${calls} rows in flight to all of them in flight elsewhere, worst of ${rounds}`,
    figure: `${worst.toFixed(1)} s`,
    goal: `≤ ${goalSeconds} s`,
    met: worst <= goalSeconds,
  };
  return { seconds, figures: [figure] };
}

async function measureOnce(program: string, calls: number, directory: string): Promise<number> {
  // Calls that take for ever: all rows are at the pools. Half of them and those that wait there for a slot are the most
  // that one can have, so that the other has `calls` at least.
  const rows = 2 * (calls + Math.ceil(calls / 16) + 1);
  const arena = await openArena({ program, directory, rows, concurrency: rows, latencyMs: 600_000 });
  try {
    const [doomed, other] = await Promise.all([arena.startPool(), arena.startPool()]);
    // Each pool has heard of the other by its next beat.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    arena.startOwner();
    const atPools = async () => (await doomed.rowsInCalls()) + (await other.rowsInCalls());
    await until("all rows to be at the pools", async () => (await atPools()) === rows, 60_000);
    const doomedRows = await doomed.rowsInCalls();
    if (doomedRows < calls) throw new Error(`the doomed pool has ${doomedRows} rows, not ${calls}`);
    doomed.process.signal("SIGKILL");
    const killedAtMs = performance.now();
    await until("its calls to be gone", () => arena.backend.inFlight < rows - calls + 1);
    await until("all rows to be in flight", () => arena.backend.inFlight === rows, 120_000);
    return (performance.now() - killedAtMs) / 1_000;
  } finally {
    await arena.close();
  }
}

if (import.meta.main) printFigures((await measureRecovery(readOptions(recoveryDefaults))).figures);
