/**
 * The owner is frozen in the middle of a run, for long: Redis stays as it is, the pools stop asking and say for whom they
 * wait, and the run goes on when it wakes.
 *   node scripts/chaos/frozen-owner.ts [--seconds 600] [--rows 50000] [--program dist/src/cli.js]
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { assertEachRowOnce } from "../../test/support/laws.ts";
import { until } from "../../test/support/until.ts";
import { type Figure, inWords } from "../bench/figures.ts";
import { builtProgram } from "../bench/fleet-run.ts";
import { printFigures, readOptions } from "../bench/run-alone.ts";
import { inWorkplace } from "../bench/workplace.ts";
import { openArena } from "./arena.ts";

export interface FrozenOwnerOptions {
  readonly program: string;
  readonly seconds: number;
  readonly rows: number;
}

export const frozenOwnerDefaults: FrozenOwnerOptions = { program: builtProgram, seconds: 600, rows: 50_000 };

/** What pools may still record once the owner collects no more: the window of a tier, about a second of its work. */
const mostGrowthMb = 16;

export interface FrozenOwnerResult {
  readonly grownMb: number;
  readonly askedAgain: number;
  readonly figures: readonly Figure[];
}

export async function measureFrozenOwner({ program, seconds, rows }: FrozenOwnerOptions): Promise<FrozenOwnerResult> {
  return inWorkplace(async (workplace) => {
    const directory = join(workplace, "arena");
    const arena = await openArena({ program, directory, rows, concurrency: 32, latencyMs: 20 });
    const usedMb = async () =>
      Number(/used_memory:(\d+)/.exec(await arena.redis.client.info("memory"))?.[1]) / 1024 ** 2;
    try {
      const { process: pool } = await arena.startPool();
      const owner = arena.startOwner();
      await until("a third of the rows", () => arena.backend.requests() > rows / 3, 300_000);
      const before = await usedMb();
      owner.signal("SIGSTOP");
      let peak = before;
      for (const end = Date.now() + seconds * 1_000; Date.now() < end; await sleep(500)) {
        peak = Math.max(peak, await usedMb());
      }
      const said = /waits: its owner \(process \d+ on \S+\) is silent/.test(pool.stderr());
      const asked = arena.backend.requests();
      owner.signal("SIGCONT");
      await until("rows to be asked again", () => arena.backend.requests() > asked + 100, 60_000);
      const code = await owner.ended;
      if (code !== 0) throw new Error(`the run ended with ${code}: ${owner.stderr()}`);
      await assertEachRowOnce(arena.output, rows);
      const askedAgain = arena.backend.requests() - rows;
      const grownMb = peak - before;
      const figure: Figure = {
        what: `Owner frozen for ${seconds} s: growth of Redis meanwhile, pools said for whom they waited, rows asked again`,
        figure: `${inWords(grownMb)} MB · ${said ? "said so" : "NOT said"} · ${inWords(askedAgain)}`,
        goal: `≤ ${mostGrowthMb} MB · 0`,
        met: grownMb <= mostGrowthMb && said && askedAgain === 0,
      };
      return { grownMb, askedAgain, figures: [figure] };
    } finally {
      await arena.close();
    }
  });
}

if (import.meta.main) printFigures((await measureFrozenOwner(readOptions(frozenOwnerDefaults))).figures);
