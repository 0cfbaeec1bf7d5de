/**
 * Redis is away in the middle of a run: the run ends whole, says why it waits, costs little meanwhile, and asks nothing
 * again that was answered.
 *   node scripts/chaos/redis-away.ts [--seconds 60] [--rows 6000] [--program dist/src/cli.js]
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

export interface RedisAwayOptions {
  readonly program: string;
  readonly seconds: number;
  readonly rows: number;
}

export const redisAwayDefaults: RedisAwayOptions = { program: builtProgram, seconds: 60, rows: 6_000 };

/** Of one core, owner and pools each. */
const mostCpuShare = 0.05;

export interface RedisAwayResult {
  readonly askedAgain: number;
  /** Share of one core that the busiest process used while Redis was away. */
  readonly cpuShare: number;
  readonly figures: readonly Figure[];
}

export async function measureRedisAway({ program, seconds, rows }: RedisAwayOptions): Promise<RedisAwayResult> {
  return inWorkplace(async (workplace) => {
    const arena = await openArena({
      program,
      directory: join(workplace, "arena"),
      rows,
      concurrency: 32,
      latencyMs: 100,
    });
    try {
      const pools = [await arena.startPool(), await arena.startPool()];
      const owner = arena.startOwner();
      await until("a third of the rows", () => arena.backend.requests() > rows / 3, 120_000);
      await arena.redis.kill();
      await until("calls in flight to end", () => arena.backend.inFlight === 0);
      const processes = [owner, ...pools.map(({ process }) => process)];
      const cpuBefore = processes.map((one) => one.cpuMs());
      const answeredBefore = arena.backend.stats().answered;
      await sleep(seconds * 1_000);
      const cpuShare = Math.max(...processes.map((one, at) => (one.cpuMs() - cpuBefore[at]!) / (seconds * 1_000)));
      const said = [
        owner.stdout().includes("Redis is not reachable"),
        ...pools.map(({ process }) => process.stderr().includes("Redis is not reachable")),
      ];
      if (arena.backend.stats().answered !== answeredBefore) throw new Error("rows were asked while Redis was away");
      await arena.redis.start();
      const backAtMs = performance.now();
      await until("rows to be asked again", () => arena.backend.requests() > answeredBefore + 100, 60_000);
      const onSeconds = (performance.now() - backAtMs) / 1_000;
      const code = await owner.ended;
      if (code !== 0) throw new Error(`the run ended with ${code}: ${owner.stderr()}`);
      await assertEachRowOnce(arena.output, rows);
      const askedAgain = arena.backend.requests() - rows;
      const figures: Figure[] = [
        {
          what: `Redis killed and away for ${seconds} s in a run of ${inWords(rows)} rows: answered rows that were asked again`,
          figure: inWords(askedAgain),
          goal: "0",
          met: askedAgain === 0,
        },
        {
          what: "… CPU of the busiest process meanwhile, every process said why it waited, and rows went on after",
          figure: `${(100 * cpuShare).toFixed(1)} % of a core · ${said.every(Boolean) ? "all said so" : "NOT all said so"} · ${onSeconds.toFixed(1)} s`,
          goal: `≤ ${100 * mostCpuShare} %`,
          met: cpuShare <= mostCpuShare && said.every(Boolean),
        },
      ];
      return { askedAgain, cpuShare, figures };
    } finally {
      await arena.close();
    }
  });
}

if (import.meta.main) printFigures((await measureRedisAway(readOptions(redisAwayDefaults))).figures);
