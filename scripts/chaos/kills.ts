/**
 * A fleet whose processes are killed and frozen, and whose lines are cut, at seeded random moments, until all rows have
 * their answers. What is asserted: nothing lost, nothing double, and only what was in flight asked again.
 *   node scripts/chaos/kills.ts [--rows 100000] [--seed 1] [--program dist/src/cli.js]
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { assertEachRowOnce } from "../../test/support/laws.ts";
import { seededRandom } from "../../test/support/simulated-answers.ts";
import { until } from "../../test/support/until.ts";
import { type Figure, inWords } from "../bench/figures.ts";
import { builtProgram } from "../bench/fleet-run.ts";
import { printFigures, readOptions } from "../bench/run-alone.ts";
import { inWorkplace } from "../bench/workplace.ts";
import { type Arena, type ArenaPool, openArena } from "./arena.ts";
import { type ProgramProcess, summaryOf } from "./program-process.ts";

export interface KillsOptions {
  readonly program: string;
  readonly rows: number;
  readonly seed: number;
  readonly pools: number;
  readonly concurrency: number;
  readonly latencyMs: number;
  readonly poolKills: number;
  readonly ownerKills: number;
  readonly redisKills: number;
  /** Of pools, for up to twelve seconds: longer than it takes to be given up for dead. */
  readonly freezes: number;
  /** Of a pool's way to Redis, for as long. */
  readonly redisCuts: number;
  /** Of everybody's way to the backend, for a second. */
  readonly backendCuts: number;
  /** Of the wall clock of a pool or the owner, by up to an hour in either direction. */
  readonly clockSteps: number;
}

export const killsDefaults: KillsOptions = {
  program: builtProgram,
  rows: 100_000,
  seed: 1,
  pools: 4,
  concurrency: 64,
  latencyMs: 40,
  poolKills: 30,
  ownerKills: 5,
  redisKills: 3,
  freezes: 4,
  redisCuts: 4,
  backendCuts: 2,
  clockSteps: 6,
};

type Mishap = "pool-kill" | "owner-kill" | "redis-kill" | "freeze" | "redis-cut" | "backend-cut" | "clock-step";

export interface KillsResult {
  readonly seconds: number;
  readonly askedAgain: number;
  /** What the law allows: rows in flight at the mishaps, and two seconds of work for each kill of Redis. */
  readonly allowed: number;
  readonly figures: readonly Figure[];
}

/** Redis may lose what it has not synced. */
const lostSecondsOfRedis = 2;
const longestAwayMs = 12_000;
const farthestClockMs = 3_600_000;

export async function runKills(options: KillsOptions, note: (line: string) => void = () => {}): Promise<KillsResult> {
  return inWorkplace(async (workplace) => {
    const arena = await openArena({ ...options, directory: join(workplace, "arena"), sigma: 0.5 });
    try {
      return await rage(arena, options, note);
    } finally {
      await arena.close();
    }
  });
}

async function rage(arena: Arena, options: KillsOptions, note: (line: string) => void): Promise<KillsResult> {
  const { rows, pools: poolCount } = options;
  const { backend, redis, output } = arena;
  const random = seededRandom(options.seed);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)]!;
  const pools: ArenaPool[] = await Promise.all(Array.from({ length: poolCount }, () => arena.startPool()));
  const startedMs = Date.now();
  let owner = startOwner();
  let inFlightAtMishaps = 0;
  let secondsLost = 0;
  const later: Promise<unknown>[] = [];

  /** One that finds no Redis at its start says so and ends; it is then run again, as a user would. */
  function startOwner(): ProgramProcess {
    const started = arena.startOwner();
    void started.ended.then(async (code) => {
      if (code !== 1 || !/could not reach it/.test(started.stderr())) return;
      note("the owner found no Redis at its start, and is run again");
      await sleep(500);
      owner = startOwner();
    });
    return started;
  }

  /** Freezes a pool to count what it has in calls; what it said to Redis before is counted there by then. */
  async function countCalls(pool: ArenaPool): Promise<number> {
    pool.process.signal("SIGSTOP");
    await sleep(20);
    const rowsInCalls = await pool.rowsInCalls();
    inFlightAtMishaps += rowsInCalls;
    return rowsInCalls;
  }

  /** Takes a pool out of the game until it is back. */
  async function awhile(pool: ArenaPool, forMs: number, back: () => void): Promise<void> {
    pools.splice(pools.indexOf(pool), 1);
    await sleep(forMs);
    back();
    pools.push(pool);
  }

  const mishaps: Record<Mishap, () => Promise<string>> = {
    async "pool-kill"() {
      const doomed = pick(pools);
      const inCalls = await countCalls(doomed);
      doomed.process.signal("SIGKILL");
      await doomed.process.ended;
      pools.splice(pools.indexOf(doomed), 1, await arena.startPool());
      return `pool ${doomed.process.pid} killed with ${inCalls} rows in calls`;
    },
    async "owner-kill"() {
      owner.signal("SIGKILL");
      await owner.ended;
      owner = startOwner();
      return "owner killed";
    },
    async "redis-kill"() {
      await redis.kill();
      await sleep(500 + random() * 2_000);
      await redis.start();
      secondsLost += lostSecondsOfRedis;
      return "Redis killed";
    },
    async freeze() {
      const frozen = pick(pools);
      const inCalls = await countCalls(frozen);
      const forMs = random() * longestAwayMs;
      later.push(awhile(frozen, forMs, () => frozen.process.signal("SIGCONT")));
      return `pool ${frozen.process.pid} frozen for ${Math.round(forMs)} ms with ${inCalls} rows in calls`;
    },
    async "redis-cut"() {
      const cutOff = pick(pools);
      const inCalls = await countCalls(cutOff);
      cutOff.wayToRedis[random() < 0.5 ? "cut" : "swallow"]();
      cutOff.process.signal("SIGCONT");
      const forMs = random() * longestAwayMs;
      later.push(awhile(cutOff, forMs, () => cutOff.wayToRedis.mend()));
      return `pool ${cutOff.process.pid} cut off from Redis for ${Math.round(forMs)} ms with ${inCalls} rows in calls`;
    },
    async "backend-cut"() {
      inFlightAtMishaps += backend.inFlight;
      const calls = backend.inFlight;
      arena.wayToBackend.cut();
      await sleep(1_000);
      arena.wayToBackend.mend();
      return `backend cut off with ${calls} calls in flight`;
    },
    async "clock-step"() {
      const stepped = pick([owner, ...pools.map(({ process }) => process)]);
      const aheadMs = (2 * random() - 1) * farthestClockMs;
      stepped.setClock(aheadMs);
      return `the clock of ${stepped === owner ? "the owner" : `pool ${stepped.pid}`} set to ${Math.round(aheadMs / 60_000)} min from the others'`;
    },
  };

  const counts: readonly (readonly [Mishap, number])[] = [
    ["pool-kill", options.poolKills],
    ["owner-kill", options.ownerKills],
    ["redis-kill", options.redisKills],
    ["freeze", options.freezes],
    ["redis-cut", options.redisCuts],
    ["backend-cut", options.backendCuts],
    ["clock-step", options.clockSteps],
  ];
  const plan = counts
    .flatMap(([mishap, count]) => Array.from({ length: count }, () => ({ mishap, at: random() })))
    .sort((one, other) => one.at - other.at);

  for (const { mishap, at } of plan) {
    // In the first nine tenths, so that none comes after the end.
    await until(`request ${Math.round(at * 0.9 * rows)}`, () => backend.requests() > at * 0.9 * rows, 120_000).catch(
      (error: Error) => {
        const words = [owner.stdout(), owner.stderr(), ...pools.map((pool) => pool.process.stderr())].map(lastLine);
        throw new Error(`${error.message}; the owner and the pools say:\n${words.join("\n")}`);
      },
    );
    await until("a pool to be there", () => pools.length > 1, 60_000);
    const what = await mishaps[mishap]();
    note(`${((Date.now() - startedMs) / 1_000).toFixed(1)} s, ${backend.requests()} requests: ${what}`);
  }
  await Promise.all(later);
  let code = await owner.ended;
  for (let last = owner; code === 1; code = await last.ended) {
    await until("the owner to be run again", () => owner !== last);
    last = owner;
  }
  if (code !== 0 && code !== 2) throw new Error(`the run ended with ${code}: ${owner.stderr()}`);
  const seconds = (Date.now() - startedMs) / 1_000;
  await assertEachRowOnce(output, rows);
  const summary = summaryOf(owner);
  if (summary.answered !== rows) throw new Error(`${summary.answered} of ${rows} rows are answered`);

  const askedAgain = backend.requests() - rows;
  const allowed = Math.ceil(inFlightAtMishaps + (secondsLost * rows) / seconds);
  const happened = counts.flatMap(([mishap, count]) => (count > 0 ? [`${count} × ${mishap}`] : [])).join(", ");
  const figures: Figure[] = [
    {
      what: `${inWords(rows)} rows, ${poolCount} pool processes (${happened}; seed ${options.seed}): lost · double`,
      figure: "0 · 0",
      goal: "0 · 0",
      met: true,
    },
    {
      what: "… asked again, against what was in flight at those moments and 2 s of work for each kill of Redis",
      // It cannot know of a call that died with its process or its line whether the backend had begun it.
      figure: `${inWords(askedAgain)} (the run itself counted ${inWords(summary.asked_again ?? 0)}, those included that had their turn and had not reached the server)`,
      goal: `≤ ${inWords(allowed)}`,
      met: askedAgain <= allowed,
    },
  ];
  return { seconds, askedAgain, allowed, figures };
}

const lastLine = (text: string): string => text.trimEnd().split("\n").at(-1) ?? "";

if (import.meta.main) printFigures((await runKills(readOptions(killsDefaults), console.log)).figures);
