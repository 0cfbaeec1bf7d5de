import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { finished as flushed } from "node:stream/promises";
import type { Config } from "../../src/config/config.ts";
import { type Fleet, joinFleet } from "../../src/fleet.ts";
import type { ConsensusRule } from "../../src/job/consensus.ts";
import type { ResultLine } from "../../src/job/result.ts";
import { type OwnedBatch, ownBatch } from "../../src/own-batch.ts";
import { createRowPlanner } from "../../src/plan-row.ts";
import { writeInInputOrder } from "../../src/results/write-output.ts";
import { createRouter } from "../../src/routing/choose-model.ts";
import { afterTests } from "./clean-up.ts";
import { assertEachResultOnce } from "./laws.ts";
import type { TestRedis } from "./redis-server.ts";
import { until } from "./until.ts";

export interface GivenRow {
  readonly id: string;
  /** An alias; default: the default task's. */
  readonly model?: string;
  readonly private?: boolean;
  readonly consensus?: ConsensusRule;
  /** What its answer is one of. */
  readonly choices?: readonly string[];
}

/** So many rows, `PREFIX0`, `PREFIX1`, …; the simulated backend counts them by these ids. */
export function givenRows(count: number, more: Partial<GivenRow> = {}, prefix = "r"): GivenRow[] {
  return Array.from({ length: count }, (_, row) => ({ ...more, id: `${prefix}${row}` }));
}

export interface RunOptions {
  readonly server: TestRedis;
  readonly config: Config;
  readonly folder: string;
  readonly rows: readonly GivenRow[];
  readonly batchId?: string;
  readonly generation?: number;
  readonly retryFailedBelowEpoch?: number;
  /** False: it feeds and collects only. Default true. */
  readonly withPools?: boolean;
}

export interface GivenRun {
  readonly fleet: Fleet;
  readonly batch: OwnedBatch;
  readonly batchId: string;
  readonly outputPath: string;
  answered(): number;
  /**
   * Waits for the end, writes OUTPUT, checks that each row has its result once, and leaves the fleet.
   * @param untilDrained stay until the pools have also dropped all jobs that are of no use any more.
   */
  finish(untilDrained?: boolean): Promise<ResultLine[]>;
}

/** The owner of a batch in this process, with the pools of its tiers. */
export async function startRun(options: RunOptions): Promise<GivenRun> {
  const { server, config, folder, rows, batchId = "run", withPools = true } = options;
  const fleet = await joinFleet({
    config,
    redis: server.address,
    foreignJob: async () => ({ value: null }),
  });
  const plan = createRowPlanner(
    createRouter(config, () => ({ usable: true })),
    config,
    { noPrivateRows: undefined },
  );
  const outputPath = join(folder, "out.jsonl");
  const lineOf = (index: number) => ({ index, offset: index, bytes: Buffer.from(JSON.stringify(rows[index])) });
  const batch = await ownBatch({
    fleet,
    batchId,
    generation: options.generation ?? 0,
    outputPath,
    retryFailedBelowEpoch: options.retryFailedBelowEpoch ?? 0,
    models: config.models,
    async *lines() {
      for (let start = 0; start < rows.length; start += 500) {
        yield rows.slice(start, start + 500).map((_row, at) => lineOf(start + at));
      }
    },
    readLineAt: (offset) => lineOf(offset).bytes,
    readLine({ bytes }) {
      const { id, choices, private: isPrivate = false, ...more } = JSON.parse(bytes.toString()) as GivenRow;
      const messages = [{ role: "user" as const, content: `say something about #${id}` }];
      const request = { messages, ...(choices === undefined ? {} : { answerForm: { choices } }) };
      return plan({ id, private: isPrivate, request, ...more });
    },
    lineNumberOf: (index) => index + 1,
    possibleTiers: Object.keys(config.tiers).length,
    concurrencyOf: (tier) => fleet.concurrencyOf(tier) ?? 16,
    async onTier(tier) {
      if (withPools) await fleet.startPool(tier);
    },
  });
  batch.finished.catch(() => {});
  let left = false;
  async function leave(): Promise<void> {
    if (left) return;
    left = true;
    await fleet.leave(false);
    await batch.stop();
    await fleet.close();
  }
  afterTests(leave);

  return {
    fleet,
    batch,
    batchId,
    outputPath,
    answered: () => batch.progress.answered,
    async finish(untilDrained = false) {
      await batch.finished;
      const out = createWriteStream(outputPath);
      await writeInInputOrder(batch.table, batch.table.length, batch.segmentPaths, undefined, {
        write: (line) => void out.write(`${line}\n`),
      });
      out.end();
      await flushed(out);
      await fleet.claims.setState(batchId, batch.state(), "ended");
      await fleet.claims.forget(batchId);
      if (untilDrained) await until("the queues to be empty", () => areDrained(fleet), 20_000);
      await leave();
      return assertEachResultOnce(outputPath, rows.length);
    },
  };
}

/** True when none of the queues that this process works holds an unfinished job. */
export async function areDrained(fleet: Fleet): Promise<boolean> {
  for (const { pool } of fleet.pools()) {
    const counts = await fleet.queues.of(pool.tier.name).getJobCounts("wait", "active", "delayed");
    if (Object.values(counts).some((count) => count > 0)) return false;
  }
  return true;
}
