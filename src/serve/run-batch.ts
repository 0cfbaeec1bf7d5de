import { existsSync } from "node:fs";
import { type FileBatch, startFileBatch } from "../file-batch.ts";
import type { Fleet } from "../fleet.ts";
import { openLineFile } from "../intake/line-file.ts";
import { messageOf, UserError } from "../job/errors.ts";
import { OwnershipLost } from "../queue/place-rows.ts";
import type { WindowShares } from "../queue/window-shares.ts";
import { OutputError } from "../results/output-target.ts";
import { readRunState, removeRunFiles } from "../results/run-state.ts";
import { type RunSnapshot, snapshotOf } from "../run-report.ts";
import { type BatchRecord, type BatchStatus, finalStatuses } from "./batch-record.ts";
import { countResults, publishFiles, writeResults } from "./batch-results.ts";
import type { BatchPlace, BatchWish } from "./batch-store.ts";
import { checkLines } from "./check-lines.ts";
import type { Files } from "./files.ts";
import type { ServedLines } from "./served-lines.ts";

export interface RunBatchOptions {
  readonly fleet: Fleet;
  readonly lines: ServedLines;
  readonly files: Files;
  readonly place: BatchPlace;
  readonly record: BatchRecord;
  readonly withPools: boolean;
  /** What it shares tiers by with other batches. */
  readonly shares: WindowShares;
  /** Past its time a batch runs on. */
  readonly neverExpires: boolean;
  /** Told of each change before anything follows from it; writes it down. */
  readonly onRecord: (record: BatchRecord, isMilestone: boolean) => void;
}

/** A batch that this process owns. The caller holds its lock until `ended`. */
export interface RunningBatch {
  record(): BatchRecord;
  fulfil(wish: BatchWish): void;
  retryRow(row: number): Promise<void>;
  /** To be called every second or so: counts, expiry. */
  tick(): void;
  snapshot(): RunSnapshot | undefined;
  stopFeeding(): void;
  /** Leaves it resumable, once pools have drained. */
  stop(): Promise<void>;
  /** Resolves when this process is no longer at it. Rejects with what went wrong and may go better later. */
  readonly ended: Promise<void>;
}

/** Takes a batch from where its record says that it is to its end: check, ask, write, publish. */
export function runBatch(options: RunBatchOptions): RunningBatch {
  const { fleet, files, place } = options;
  let record = options.record;
  const share = options.shares.join(record.weight);
  let batch: FileBatch | undefined;
  let isStopping = false;
  let isEnding = false;

  function change(changes: Partial<BatchRecord>, isMilestone = true): void {
    record = { ...record, ...changes };
    options.onRecord(record, isMilestone);
  }

  function move(status: BatchStatus, changes: Partial<BatchRecord> = {}): void {
    if (record.status === status) return;
    change({ ...changes, status, reachedAtMs: { ...record.reachedAtMs, [status]: Date.now() } });
  }

  const isCancelled = () => record.status === "cancelling";

  async function run(): Promise<void> {
    const input = openLineFile(inputPath(), `the input of ${record.id}`);
    try {
      if (!existsSync(place.resultsPath)) {
        if (record.reachedAtMs.in_progress === undefined) {
          const { rows, errors } = await checkLines(
            input,
            { endpoint: record.endpoint, mostRows: fleet.config.serve.limits.maxRowsPerBatch },
            () => isStopping || isCancelled(),
          );
          if (isStopping) return;
          if (isCancelled()) return move("cancelled");
          if (errors.length > 0) return move("failed", { errors });
          move("in_progress", { counts: { ...record.counts, total: rows } });
        }
        batch = await startFileBatch({
          fleet,
          state: stateOf(input.sizeBytes),
          workPath: place.workPath,
          input,
          lines: options.lines.of(record.metadata),
          models: fleet.config.models,
          withPools: options.withPools,
          share,
        });
        if (isStopping) void batch.owned.stop();
        batch.owned.pauseFeeding(record.paused);
        if (isCancelled()) endRemaining("cancelled", "the batch was cancelled");
        if ((await batch.finished) === "stopped") return;
        if (!isCancelled()) move("finalizing");
        await writeResults(batch.owned, place);
      }
      await publish();
      await forgetRun();
    } catch (error) {
      if (error instanceof OwnershipLost) return;
      if (!(error instanceof UserError) || error instanceof OutputError) throw error;
      move("failed", { errors: [{ code: "batch_failed", message: messageOf(error), line: null, param: null }] });
    } finally {
      share.leave();
      input.close();
    }
  }

  async function forgetRun(): Promise<void> {
    if (batch !== undefined) return batch.forget();
    await fleet.claims.forget(record.id);
    removeRunFiles(place.workPath);
  }

  const inputPath = () => (record.inputFileId === undefined ? place.inputPath : files.pathOf(record.inputFileId));

  function stateOf(sizeBytes: number) {
    return (
      readRunState(place.workPath) ?? {
        version: 1 as const,
        batchId: record.id,
        generation: 0,
        retryFailedBelowEpoch: 0,
        // The file cannot change: nobody but this server writes it, and it is not removed while the batch reads it.
        input: { source: record.inputFileId ?? "lines", sizeBytes, modifiedMs: 0, sha256: "" },
        configHash: "",
        startedAtMs: record.createdAtMs,
      }
    );
  }

  function endRemaining(code: "cancelled" | "deadline_passed", message: string): void {
    if (isEnding || batch === undefined) return;
    isEnding = true;
    batch.owned.endRemaining(code, message).catch(() => {
      // Redis is away: the next tick tries again.
      isEnding = false;
    });
  }

  function cancel(): void {
    if (isCancelled()) return;
    move("cancelling");
    endRemaining("cancelled", "the batch was cancelled");
  }

  async function publish(): Promise<void> {
    const totals = await countResults(place);
    const published = record.api === "openai" ? await publishFiles(record, place, totals, files) : {};
    const { counts, usage, costUsd, notAsked } = totals;
    const status = isCancelled() ? "cancelled" : notAsked.expired > 0 ? "expired" : "completed";
    move(status, { ...published, counts, notAsked, usage, costUsd });
  }

  return {
    record: () => record,
    fulfil({ isCancelled: isToBeCancelled, paused, weight }) {
      if (finalStatuses.includes(record.status) || record.status === "finalizing") return;
      if (isToBeCancelled === true) cancel();
      if (weight !== undefined) share.weight = weight;
      if (paused !== undefined) batch?.owned.pauseFeeding(paused);
      if (weight !== undefined || paused !== undefined)
        change({ weight: weight ?? record.weight, paused: paused ?? record.paused });
    },
    async retryRow(row) {
      const isAsking = batch !== undefined && record.status === "in_progress";
      if (isAsking) return batch?.retryRow(row);
      throw new UserError(`rows of batch ${record.id} are not asked again while it is ${record.status}`);
    },
    tick() {
      if (batch === undefined || finalStatuses.includes(record.status)) return;
      if (isCancelled()) endRemaining("cancelled", "the batch was cancelled");
      else if (!options.neverExpires && Date.now() >= record.expiresAtMs)
        endRemaining("deadline_passed", "the completion window ended before this row was answered");
      const { answered, failed, inputTokens, outputTokens, cachedTokens, costUsd } = batch.owned.progress;
      const { completed, failed: failedBefore } = record.counts;
      if (answered === completed && failed === failedBefore) return;
      const counts = { ...record.counts, completed: answered, failed };
      change({ counts, usage: { inputTokens, outputTokens, cachedTokens }, costUsd }, false);
    },
    snapshot() {
      if (batch === undefined) return undefined;
      const snapshot = snapshotOf(fleet, batch.owned);
      const reason = record.paused && !isCancelled() ? "paused: it feeds nothing until it is resumed" : undefined;
      return { ...snapshot, reason: snapshot.reason ?? reason };
    },
    stopFeeding() {
      isStopping = true;
      batch?.owned.stopFeeding();
    },
    async stop() {
      isStopping = true;
      await batch?.owned.stop();
    },
    ended: run(),
  };
}
