import type { ResultLine } from "../job/result.ts";
import type { RunSnapshot } from "../run-report.ts";
import type { BatchRecord } from "./batch-record.ts";

/** What a client orders; checked by the routes before. */
export interface BatchOrder {
  readonly api: BatchRecord["api"];
  /** An uploaded file, or lines that came in the request itself (one row each, Anthropic's). */
  readonly input: { readonly fileId: string } | { readonly lines: AsyncIterable<string> };
  readonly endpoint: string;
  readonly completionWindow: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly owner?: string | undefined;
  readonly weight?: number;
}

/** The batches of a server: each owned by one process of its data directory, and resumed after a restart. */
export interface Batches {
  /** On disk when it resolves; reading and asking goes on behind. */
  create(order: BatchOrder): Promise<BatchRecord>;
  /** As it is now, with live counts. */
  get(id: string): BatchRecord | undefined;
  /** Newest first. */
  list(): readonly BatchRecord[];
  /** Ends what has no result yet; a batch that has ended stays as it is. */
  cancel(id: string): Promise<BatchRecord>;
  /** Only of a batch that has ended: its record and files go. */
  remove(id: string): Promise<void>;
  change(id: string, change: { readonly paused?: boolean; readonly weight?: number }): Promise<BatchRecord>;
  /** Asks a failed row again: a new generation of that row, read anew from the input. @throws UserError with the reason. */
  retryRow(id: string, row: number): Promise<void>;
  /** Results so far, each once, in no order; of an ended batch all of them, in input order. */
  results(id: string): AsyncIterable<ResultLine>;
  /** What goes on in a batch that runs here. */
  snapshotOf(id: string): RunSnapshot | undefined;
  /** Why it waits as a whole, if it does. */
  waitReason(id: string): string | undefined;
  /** Told whenever a record changes its status, and at most once a second for its counts. */
  onChange(listener: (record: BatchRecord) => void): () => void;
}
