import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Config } from "../config/config.ts";
import { watchFolder } from "../config/folder-watch.ts";
import type { Fleet } from "../fleet.ts";
import { durationMsOf } from "../job/duration.ts";
import { messageOf, UserError } from "../job/errors.ts";
import { takeLock } from "../queue/lock-file.ts";
import { createWindowShares } from "../queue/window-shares.ts";
import { lockPath, removeRunFiles, statePath } from "../results/run-state.ts";
import { openBatchJobs } from "./batch-jobs.ts";
import { type BatchRecord, finalStatuses } from "./batch-record.ts";
import { readResults } from "./batch-results.ts";
import { type BatchWish, newBatchId, openBatchStore } from "./batch-store.ts";
import type { Batches } from "./batches.ts";
import type { Files } from "./files.ts";
import { type RunningBatch, runBatch } from "./run-batch.ts";
import type { ServedLines } from "./served-lines.ts";

export interface OpenBatchesOptions {
  readonly config: Config;
  readonly fleet: Fleet;
  readonly files: Files;
  readonly lines: ServedLines;
  /** `DATA_DIR/serve/batches`. */
  readonly directory: string;
  readonly withPools: boolean;
  /** What went wrong with a batch and is tried again. */
  readonly onTrouble: (line: string) => void;
}

export interface OpenBatches extends Batches {
  /** Which unfinished batch reads that file. */
  readerOf(fileId: string): string | undefined;
  /** Feeds nothing more and takes up no batch. */
  stopFeeding(): void;
  /** Once pools have drained: leaves every batch resumable. */
  close(): Promise<void>;
}

const tickEveryMs = 1_000;
const takeUpEveryMs = 3_000;
const tryAgainAfterMs = 10_000;

export function openBatches(options: OpenBatchesOptions): OpenBatches {
  const { config, fleet, files, lines } = options;
  const store = openBatchStore(options.directory);
  const disk = watchFolder(options.directory);
  let diskTrouble: string | undefined;
  const running = new Map<string, { readonly batch: RunningBatch; readonly done: Promise<void> }>();
  const shares = createWindowShares();
  /** Batches that could not go on for now, and why. */
  const resting = new Map<string, { readonly untilMs: number; readonly reason: string }>();
  const listeners = new Set<(record: BatchRecord) => void>();
  const jobs = openBatchJobs(fleet, (id) => {
    const record = get(id);
    return record === undefined || isFinal(record);
  });
  /** Batches that have ended and left nothing to clear away: nobody looks at them again. */
  let settled = new Set<string>();
  let isStopping = false;

  const isFinal = ({ status }: BatchRecord): boolean => finalStatuses.includes(status);
  const get = (id: string): BatchRecord | undefined => running.get(id)?.batch.record() ?? store.read(id);
  const known = (id: string): BatchRecord => {
    const record = get(id);
    if (record === undefined) throw new UserError(`there is no batch ${id}`);
    return record;
  };
  const list = (): BatchRecord[] =>
    store
      .ids()
      .flatMap((id) => get(id) ?? [])
      .sort((one, other) => other.createdAtMs - one.createdAtMs || (one.id < other.id ? 1 : -1));

  function onRecord(record: BatchRecord, isMilestone: boolean): void {
    store.write(record, isMilestone);
    jobs.show(record);
    for (const listener of listeners) listener(record);
  }

  /** Runs a batch here if no living process is at it. */
  function takeUp(id: string): void {
    if (isStopping || running.has(id) || (resting.get(id)?.untilMs ?? 0) > performance.now()) return;
    const place = store.placeOf(id);
    const lock = takeLock(lockPath(place.workPath));
    if (!lock.held) return;
    // Only now nobody else writes it.
    const record = store.read(id);
    if (record === undefined || isFinal(record)) {
      if (record !== undefined) dropRemains(record);
      lock.release();
      return;
    }
    const neverExpires = config.serve.completionWindow === "advisory";
    const { withPools } = options;
    const batch = runBatch({ fleet, lines, files, place, record, withPools, shares, neverExpires, onRecord });
    const done = batch.ended
      .then(() => void resting.delete(id))
      .catch((error) => {
        const reason = `${messageOf(error)}; it is taken up again every ${tryAgainAfterMs / 1_000} s`;
        resting.set(id, { untilMs: performance.now() + tryAgainAfterMs, reason });
        options.onTrouble(`batch ${id}: ${reason}`);
      })
      .finally(() => {
        running.delete(id);
        lock.release();
      });
    running.set(id, { batch, done });
    jobs.show(record);
  }

  /** A kill after the last record was written leaves what is of no use any more. */
  function dropRemains({ id }: BatchRecord): void {
    const { workPath } = store.placeOf(id);
    if (!existsSync(statePath(workPath))) return;
    removeRunFiles(workPath);
    fleet.claims.forget(id).catch(() => {});
  }

  /** Here at once, elsewhere within a second or so. */
  function fulfil(id: string, wish: BatchWish): BatchRecord {
    const record = known(id);
    if (isFinal(record)) return record;
    const here = running.get(id);
    if (here === undefined) store.leaveWish(id, wish);
    else here.batch.fulfil(wish);
    return known(id);
  }

  function takeUpAll(): void {
    const ids = store.ids();
    settled = new Set(ids.filter((id) => settled.has(id)));
    for (const id of ids) {
      if (settled.has(id)) continue;
      const here = running.get(id)?.batch;
      if (here !== undefined) {
        // Redis may have lost its job.
        jobs.show(here.record());
        continue;
      }
      const record = store.read(id);
      if (record === undefined) continue;
      if (!isFinal(record) || existsSync(statePath(store.placeOf(id).workPath))) takeUp(id);
      else settled.add(id);
    }
  }

  /** A disk that is full or away ends no server: the next turn tries again. */
  function turn(action: () => void): void {
    let trouble = disk.trouble();
    try {
      if (trouble === undefined) action();
    } catch (error) {
      trouble = messageOf(error);
    }
    if (trouble !== undefined && trouble !== diskTrouble) options.onTrouble(`${trouble}; the server goes on by itself`);
    diskTrouble = trouble;
  }

  takeUpAll();
  const takingUp = setInterval(() => turn(takeUpAll), takeUpEveryMs);
  const ticking = setInterval(() => turn(tickAll), tickEveryMs);
  function tickAll(): void {
    for (const [id, { batch }] of running) {
      for (const wish of store.takeWishes(id)) batch.fulfil(wish);
      batch.tick();
    }
  }

  return {
    async create({ api, input, endpoint, completionWindow, metadata, owner, weight = 1 }) {
      const windowMs = durationMsOf(completionWindow);
      if (windowMs === undefined) throw new UserError(`completion_window: expected a duration such as 24h or 7d`);
      const createdAtMs = Date.now();
      const record: BatchRecord = {
        id: newBatchId(api),
        api,
        inputFileId: "fileId" in input ? input.fileId : undefined,
        endpoint,
        status: "validating",
        createdAtMs,
        reachedAtMs: {},
        completionWindow,
        expiresAtMs: createdAtMs + windowMs,
        metadata,
        owner,
        outputFileId: undefined,
        errorFileId: undefined,
        errors: [],
        weight,
        paused: false,
        counts: { total: 0, completed: 0, failed: 0 },
        usage: { inputTokens: 0, outputTokens: 0, cachedTokens: 0 },
        costUsd: 0,
      };
      const created = await store.create(record, "lines" in input ? input.lines : undefined);
      takeUp(record.id);
      return created;
    },
    get,
    list,
    async cancel(id) {
      const record = fulfil(id, { isCancelled: true });
      return isFinal(record) || record.status === "finalizing" ? record : { ...record, status: "cancelling" };
    },
    async remove(id) {
      if (!isFinal(known(id))) throw new UserError(`batch ${id} has not ended; cancel it first, then remove it`);
      await running.get(id)?.done;
      store.remove(id);
    },
    change: async (id, change) => ({ ...fulfil(id, change), ...change }),
    async retryRow(id, row) {
      const { status } = known(id);
      if (finalStatuses.includes(status)) {
        throw new UserError(`batch ${id} has ended as ${status} and its output is final: no row of it is asked again`);
      }
      const here = running.get(id);
      if (here === undefined) throw new UserError(`batch ${id} runs on another server of this directory: ask that one`);
      await here.batch.retryRow(row);
    },
    results: (id) => readResults(store.placeOf(known(id).id)),
    snapshotOf: (id) => running.get(id)?.batch.snapshot(),
    waitReason(id) {
      const snapshot = running.get(id)?.batch.snapshot();
      return snapshot === undefined ? resting.get(id)?.reason : snapshot.reason;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    readerOf: (fileId) => list().find((record) => record.inputFileId === fileId && !isFinal(record))?.id,
    stopFeeding() {
      isStopping = true;
      clearInterval(takingUp);
      for (const { batch } of running.values()) batch.stopFeeding();
    },
    async close() {
      clearInterval(ticking);
      const open = [...running.values()];
      await Promise.all(open.map(({ batch }) => batch.stop()));
      // A check of lines or a writing of results under way ends by itself, or is begun anew by the next owner.
      await Promise.race([Promise.all(open.map(({ done }) => done)), sleep(5_000)]);
      await jobs.close();
    },
  };
}
