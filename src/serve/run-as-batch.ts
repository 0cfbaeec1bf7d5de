import type { RunSnapshot } from "../run-report.ts";
import type { BatchRecord } from "./batch-record.ts";
import type { Batches } from "./batches.ts";
import type { FileRecord, Files } from "./files.ts";
import { HttpError } from "./http-error.ts";

/** A run of the command line, as far as pages look at it. */
export interface ShownRun {
  readonly batchId: string;
  readonly startedAtMs: number;
  /** What its input is called. */
  readonly inputName: string;
  snapshot(): RunSnapshot;
}

export interface RunAsBatch {
  readonly batches: Batches;
  readonly files: Files;
  close(): void;
}

const toldEveryMs = 1_000;
const inputFileId = "input";

/** Shows a run where pages look for batches: it is the only one, and who runs it alone can change it. */
export function runAsBatch({ batchId, startedAtMs, inputName, snapshot }: ShownRun): RunAsBatch {
  const listeners = new Set<(record: BatchRecord) => void>();
  const input: FileRecord = {
    id: inputFileId,
    bytes: 0,
    createdAtMs: startedAtMs,
    expiresAtMs: undefined,
    filename: inputName,
    purpose: "batch",
    sha256: "",
  };

  function record(): BatchRecord {
    const { progress, rowsSeen, sawAllRows } = snapshot();
    const { answered, failed, inputTokens, outputTokens, cachedTokens, costUsd } = progress;
    const isWhole = sawAllRows && answered + failed >= rowsSeen;
    return {
      id: batchId,
      api: "openai",
      inputFileId,
      endpoint: "promptfleet run",
      status: isWhole ? "finalizing" : "in_progress",
      createdAtMs: startedAtMs,
      reachedAtMs: { in_progress: startedAtMs },
      completionWindow: "",
      expiresAtMs: Number.POSITIVE_INFINITY,
      metadata: {},
      outputFileId: undefined,
      errorFileId: undefined,
      errors: [],
      weight: 1,
      paused: false,
      counts: { total: sawAllRows ? rowsSeen : 0, completed: answered, failed },
      usage: { inputTokens, outputTokens, cachedTokens },
      costUsd,
    };
  }

  const refuse = (): never => {
    throw new HttpError(409, "this is one run: Ctrl-C where it runs stops it, and the same command goes on with it");
  };
  const timer = setInterval(() => {
    const now = record();
    for (const listener of listeners) listener(now);
  }, toldEveryMs);
  timer.unref();

  return {
    batches: {
      create: async () => refuse(),
      get: (id) => (id === batchId ? record() : undefined),
      list: () => [record()],
      cancel: async () => refuse(),
      remove: async () => refuse(),
      change: async () => refuse(),
      retryRow: async () => refuse(),
      results: () => refuse(),
      snapshotOf: (id) => (id === batchId ? snapshot() : undefined),
      waitReason: (id) => (id === batchId ? snapshot()?.reason : undefined),
      onChange(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    files: {
      add: async () => refuse(),
      receive: async () => refuse(),
      put: async () => refuse(),
      get: (id) => (id === inputFileId ? input : undefined),
      list: () => [],
      pathOf: () => refuse(),
      remove: async () => refuse(),
      close() {},
    },
    close: () => clearInterval(timer),
  };
}
