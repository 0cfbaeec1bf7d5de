import { createRate, type Rate } from "../job/rate.ts";
import type { RunSnapshot } from "../run-report.ts";
import { type BatchRecord, finalStatuses } from "./batch-record.ts";
import { batchWaits } from "./batch-waits.ts";
import type { ServeContext } from "./context.ts";
import type { FailureBook } from "./dashboard-failures.ts";
import { short } from "./dashboard-tiers.ts";

/** A batch as the page shows it. */
export interface BatchView {
  readonly id: string;
  /** The name of the file that it came from, as its sender named it. */
  readonly name: string | undefined;
  /** The name of the token that it came with: its content is for that one. */
  readonly owner: string | undefined;
  readonly endpoint: string;
  readonly status: BatchRecord["status"];
  readonly isPaused: boolean;
  readonly createdAtMs: number;
  /** When its status began. */
  readonly sinceMs: number;
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  /** Of those that failed, once it has ended: nobody asked them, as it was cancelled or its time was over. */
  readonly notAsked: number;
  readonly costUsd: number;
  readonly tokens: number;
  readonly perSecond: number;
  /** Undefined: nobody can tell. */
  readonly leftMs: number | undefined;
  /** Why it, or a part of it, does not go on, or why it failed. */
  readonly reason: string | undefined;
  readonly outputFileId: string | undefined;
  readonly errorFileId: string | undefined;
}

export interface BatchWatch {
  /** Reads the list anew when it was not for long: other servers may have made or removed batches. */
  refresh(): void;
  /** Newest first: all that have not ended, and the last of those that have. */
  views(nowMs: number): BatchView[];
  /** Rows of batches that run here which are not in any call or answered, by tier, and those in calls. */
  rowsByTier(): ReadonlyMap<string, number>;
  close(): void;
}

const rateWindowMs = 20_000;
const listEveryMs = 30_000;
const endedShown = 200;
/** Many at once, and somebody's wish: no failures to look at. */
const wishedEnds: readonly string[] = ["cancelled", "deadline_passed", "budget_exhausted"];

/** The batches of a server, kept up to date by what they say of themselves, as reading all of them anew is dear. */
export function watchBatches(
  { batches, files }: Pick<ServeContext, "batches" | "files">,
  failures: FailureBook,
): BatchWatch {
  const records = new Map<string, BatchRecord>();
  const names = new Map<string, string | undefined>();
  const rates = new Map<string, Rate>();
  let listedMs = Number.NEGATIVE_INFINITY;

  const isFinal = ({ status }: BatchRecord): boolean => finalStatuses.includes(status);

  /** Rows that failed without a call: the others are told by who called. */
  function noteFailures(batch: string, snapshot: RunSnapshot | undefined): void {
    for (const { tier, row, code, message } of snapshot?.progress.lastFailures ?? []) {
      if (tier === null && !wishedEnds.includes(code)) failures.note({ atMs: Date.now(), batch, row, code, message });
    }
  }

  const stopListening = batches.onChange((record) => {
    records.set(record.id, record);
    // With its end what is known of it goes.
    if (isFinal(record) || record.status === "finalizing") noteFailures(record.id, batches.snapshotOf(record.id));
  });

  function nameOf({ inputFileId }: BatchRecord): string | undefined {
    if (inputFileId === undefined) return undefined;
    if (!names.has(inputFileId)) names.set(inputFileId, files.get(inputFileId)?.filename ?? "a file that was removed");
    return names.get(inputFileId);
  }

  function viewOf(record: BatchRecord, nowMs: number): BatchView {
    const { id, endpoint, status, paused, createdAtMs, counts, usage, costUsd, notAsked } = record;
    const done = counts.completed + counts.failed;
    const isRunning = status === "in_progress";
    const rate = isRunning ? (rates.get(id) ?? createRate(rateWindowMs)) : undefined;
    if (rate === undefined) rates.delete(id);
    else {
      rates.set(id, rate);
      rate.add(done, nowMs);
    }
    const perSecond = rate?.perSecond() ?? 0;
    const snapshot = isRunning ? batches.snapshotOf(id) : undefined;
    noteFailures(id, snapshot);
    const waits = isFinal(record) ? [] : batchWaits(batches.waitReason(id), snapshot);
    const left = counts.total - done;
    return {
      id,
      name: nameOf(record),
      owner: record.owner,
      endpoint,
      status,
      isPaused: paused,
      createdAtMs,
      sinceMs: record.reachedAtMs[status] ?? createdAtMs,
      ...counts,
      notAsked: (notAsked?.cancelled ?? 0) + (notAsked?.expired ?? 0),
      costUsd: short(costUsd),
      tokens: usage.inputTokens + usage.outputTokens,
      perSecond: short(perSecond),
      leftMs: isRunning && left > 0 && perSecond > 0 ? roundMs((left / perSecond) * 1_000) : undefined,
      reason: record.errors[0] === undefined ? waits.join(" · ") || undefined : errorText(record.errors[0]),
      outputFileId: record.outputFileId,
      errorFileId: record.errorFileId,
    };
  }

  return {
    refresh() {
      if (Date.now() - listedMs < listEveryMs) return;
      listedMs = Date.now();
      records.clear();
      for (const record of batches.list()) records.set(record.id, record);
    },
    views(nowMs) {
      const newestFirst = [...records.values()].sort((one, other) => other.createdAtMs - one.createdAtMs);
      const ended = newestFirst.filter(isFinal).slice(0, endedShown);
      const shown = new Set(ended);
      return newestFirst
        .filter((record) => !isFinal(record) || shown.has(record))
        .map((record) => viewOf(record, nowMs));
    },
    rowsByTier() {
      const rows = new Map<string, number>();
      for (const { id, status } of records.values()) {
        const tiers = status === "in_progress" ? (batches.snapshotOf(id)?.tiers ?? []) : [];
        for (const { tier, waiting, running } of tiers) {
          if (waiting > 0) rows.set(tier, (rows.get(tier) ?? 0) + waiting + running);
        }
      }
      return rows;
    },
    close: stopListening,
  };
}

function errorText({ message, line }: BatchRecord["errors"][number]): string {
  return line === null ? message : `line ${line}: ${message}`;
}

/** A minute more or less is no news of an hour. */
function roundMs(ms: number): number {
  const step = ms > 3_600_000 ? 60_000 : ms > 300_000 ? 10_000 : 1_000;
  return Math.ceil(ms / step) * step;
}
