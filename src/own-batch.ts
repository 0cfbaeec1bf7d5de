import { setTimeout as sleep } from "node:timers/promises";
import { claimOwnership } from "./batch-ownership.ts";
import { collectBatch } from "./collect-batch.ts";
import type { ModelConfig } from "./config/config.ts";
import type { Fleet } from "./fleet.ts";
import type { BatchState } from "./job/batch.ts";
import { votesBatchOf } from "./job/consensus.ts";
import type { ErrorCode } from "./job/result.ts";
import { createRowTable, type RowTable } from "./job/row-table.ts";
import { createLineJudge } from "./judge-lines.ts";
import { createOwnVotes } from "./own-votes.ts";
import type { PlannedRow } from "./plan-row.ts";
import { createFeeder, type Feeder, type FeedLine } from "./queue/feed.ts";
import { findLostRows, suspectRows, sweepEveryMs } from "./queue/find-lost.ts";
import { OwnershipLost } from "./queue/place-rows.ts";
import type { BatchShare } from "./queue/window-shares.ts";
import { createProgress, type Progress } from "./results/progress.ts";
import { createSegment, findSegments, readStoredResults, rowsBeyondInput, segmentPath } from "./results/segments.ts";
import { createResultStore } from "./store-results.ts";

export interface OwnBatchOptions {
  readonly fleet: Fleet;
  readonly batchId: string;
  readonly generation: number;
  readonly outputPath: string;
  /** Failed results in segments below this epoch do not count: those rows are asked again. */
  readonly retryFailedBelowEpoch: number;
  readonly models: Readonly<Record<string, ModelConfig>>;
  readonly lines: () => AsyncIterable<readonly FeedLine[]>;
  readonly readLineAt: (offset: number) => Buffer;
  readonly readLine: (line: FeedLine) => PlannedRow;
  /** Where a row stands in the input, for messages. */
  readonly lineNumberOf: (index: number) => number;
  readonly possibleTiers: number;
  readonly concurrencyOf: (tier: string) => number;
  /** Its part of the tiers beside other batches of this process; left at its end. Default: it is alone. */
  readonly share?: BatchShare | undefined;
  /** A row for this tier is about to be fed for the first time. */
  readonly onTier: (tier: string) => Promise<void>;
}

export interface OwnedBatch {
  readonly progress: Progress;
  readonly table: RowTable;
  readonly feeder: Feeder;
  /** Paths of all segments, in the order of the table's numbers. */
  readonly segmentPaths: readonly string[];
  /** Resolves when every row has its result on disk, or after `stop()`. Rejects when the batch cannot go on. */
  readonly finished: Promise<"whole" | "stopped">;
  state(): BatchState;
  /** Why the owner itself waits: the disk, a rebuild. */
  waitReason(): string | undefined;
  /** Ends every row that has no result yet with this failure. */
  endRemaining(code: ErrorCode, message: string): Promise<void>;
  /** While paused nothing more is fed, unless rows are to be ended. */
  pauseFeeding(isPaused: boolean): void;
  /** Feeds nothing more. */
  stopFeeding(): void;
  /** Collects what is recorded and ends, resumable. To be called when the pools have drained. */
  stop(): Promise<void>;
}

/**
 * The owner of a batch: claims it, learns from its segments what is done, feeds the rest, collects the results, and
 * rebuilds Redis from the files when that comes back as somebody else.
 */
export async function ownBatch(options: OwnBatchOptions): Promise<OwnedBatch> {
  const { fleet, batchId, generation, outputPath } = options;
  const table = createRowTable();
  const progress = createProgress();
  const judge = createLineJudge(options.readLine, options.lineNumberOf);

  const earlier = findSegments(outputPath);
  const earlyVotes = await readStoredResults(batchId, earlier, options.retryFailedBelowEpoch, table, (result) => {
    progress.add(result);
    judge.noteStored(result);
  });

  const ownership = await claimOwnership({
    fleet,
    batchId,
    generation,
    outputPath,
    lowestEpoch: (earlier.at(-1)?.epoch ?? 0) + 1,
    models: options.models,
    keepAnswered: options.retryFailedBelowEpoch > 0,
    storedBitmap: () => table.storedBitmap(),
  });
  const segment = await createSegment(segmentPath(outputPath, ownership.epoch), batchId);
  const segmentPaths = [...earlier.map((one) => one.path), segment.path];

  const place = () => ({ batchId, generation, epoch: ownership.epoch });

  const { promise: ended, resolve: end, reject: fail } = Promise.withResolvers<"whole" | "stopped">();
  let state: BatchState = "open";
  let waitReason: string | undefined;
  let stopping = false;
  const knownTiers = new Set<string>();

  const feeder: Feeder = createFeeder({
    lines: options.lines,
    readLineAt: options.readLineAt,
    table,
    prepare: judge.prepare,
    placedBefore: ownership.placedBefore,
    get possibleTiers() {
      return options.possibleTiers;
    },
    concurrencyOf: options.concurrencyOf,
    share: options.share,
    async place(rows) {
      for (const tier of rows.flatMap(({ tiers }) => tiers)) {
        if (knownTiers.has(tier)) continue;
        knownTiers.add(tier);
        await options.onTier(tier);
      }
      const voted = rows.filter((row) => row.votes !== undefined);
      if (voted.length > 0) await votes.place(voted);
      const plain = voted.length === 0 ? rows : rows.filter((row) => row.votes === undefined);
      await placing(plain, async () => {
        const jobRows = await fleet.placeRows(place(), plain, feeder.windows.rowsPerJob);
        feeder.windows.noteJobs(plain, jobRows);
      });
    },
    fail(row, line) {
      fleet.record(batchId, { row, generation, call: "", action: { kind: "record", line } }).catch(fail);
    },
    onScanned(rows) {
      if (table.length > rows) fail(rowsBeyondInput(outputPath, table.length, rows));
      endWhenWhole();
    },
  });

  const stopShowing = fleet.measures.showWindows(feeder.windows.all);

  /** Rows whose placing finds another owner are fed again, unless it is one. */
  async function placing(rows: readonly { readonly row: number }[], action: () => Promise<void>): Promise<void> {
    if (rows.length === 0) return;
    try {
      await action();
    } catch (error) {
      if (!(error instanceof OwnershipLost)) throw error;
      await ownership.check();
      // Redis came back, or was emptied, and did not know this owner when it was asked.
      if (fleet.incarnation() !== "" && (await fleet.redis.exists(fleet.names.batch(batchId).batch)) === 0)
        await rebuild();
      else await sleep(100);
      feeder.feedAgain(rows.map(({ row }) => row));
    }
  }

  const store = createResultStore({
    segment,
    segmentNumber: segmentPaths.length - 1,
    table,
    feeder: () => feeder,
    onResult(result) {
      progress.add(result);
      fleet.measures.meter.rowEnded(result);
    },
    onWait(reason) {
      waitReason = reason;
    },
    isStopping: () => stopping,
    onStored(rows) {
      votes.forget(rows);
      endWhenWhole();
    },
  });

  const votes = createOwnVotes({
    ...{ fleet, batchId, generation, outputPath, table, store, placing, fail },
    early: earlyVotes,
    epoch: () => ownership.epoch,
    checkOwnership: ownership.check,
    keepAnswered: options.retryFailedBelowEpoch > 0,
    windows: () => feeder.windows,
  });
  await votes.resume();

  const collecting = collectBatch(fleet, batchId, () => ownership.epoch, store, ownership.check);
  collecting.done.catch(fail);

  /** Redis came back as somebody else: what it must know is set again from the files before any gate passes. */
  async function rebuild(): Promise<void> {
    waitReason = "Redis came back; its state is being rebuilt from the files";
    await ownership.claimAgain();
    await votes.rebuild();
    if (state !== "open") await fleet.claims.setState(batchId, "open", state);
    collecting.rewind();
    feeder.feedAgain([...feeder.windows.fedRows().keys()].filter((row) => !votes.has(row)));
    waitReason = undefined;
  }
  const onIncarnation = () => void rebuild().catch(fail);
  fleet.onIncarnation(onIncarnation);

  async function sweep(): Promise<void> {
    // Redis came back while the batch was being claimed: what was said of it is of the one before.
    if (await fleet.claims.isOfEarlierRedis(batchId, fleet.incarnation())) await rebuild();
    await votes.sweep();
    const suspects = suspectRows(feeder.windows.fedRows());
    const lost = await findLostRows(fleet.redis, fleet.names, fleet.queues, place(), suspects);
    feeder.feedAgain(lost.filter((row) => table.stateOf(row) === "fed" && !votes.has(row)));
  }
  const sweeper = setInterval(() => void sweep().catch(() => {}), sweepEveryMs);

  function endWhenWhole(): void {
    if (feeder.scannedAll && table.storedCount === table.length) end("whole");
  }

  const feeding = feeder.run();
  feeding.catch(fail);

  async function close(): Promise<void> {
    stopping = true;
    clearInterval(sweeper);
    fleet.offIncarnation(onIncarnation);
    stopShowing();
    feeder.stop();
    options.share?.leave();
    await Promise.allSettled([feeding, collecting.finish(), votes.finish()]);
    await segment.close();
  }

  return {
    progress,
    table,
    feeder,
    segmentPaths,
    finished: ended.finally(close),
    state: () => state,
    waitReason: () => waitReason,
    async endRemaining(code, message) {
      judge.endAll({ code, message });
      state = "stopping";
      await fleet.claims.setState(batchId, "open", "stopping");
      for (const id of [batchId, votesBatchOf(batchId)]) for (const { pool } of fleet.pools()) pool.abort(id);
      feeder.pause(false);
      feeder.feedAgain([...feeder.windows.fedRows().keys()]);
    },
    pauseFeeding(isPaused) {
      if (state === "open") feeder.pause(isPaused);
    },
    stopFeeding: () => feeder.stop(),
    async stop() {
      end("stopped");
      await ended.catch(() => {});
    },
  };
}
