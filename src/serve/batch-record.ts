/** What is kept of a served batch: BATCH.json beside its segments, and the truth after a restart. */
export interface BatchRecord {
  /** `batch_…` (OpenAI's) or `msgbatch_…` (Anthropic's); random, cannot be guessed. */
  readonly id: string;
  /** Whose object and lines its clients see. */
  readonly api: "openai" | "anthropic";
  /** The uploaded file, or undefined where the rows came in the request itself. */
  readonly inputFileId: string | undefined;
  /** For clients of OpenAI's API: `/v1/chat/completions`, … */
  readonly endpoint: string;
  readonly status: BatchStatus;
  readonly createdAtMs: number;
  /** When each other status began; only of those that were reached. */
  readonly reachedAtMs: Partial<Record<BatchStatus, number>>;
  /** As the client wrote it: `24h`, `7d`, … */
  readonly completionWindow: string;
  /** Rows without a result end as expired then. */
  readonly expiresAtMs: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** The name of the token with which it was ordered. */
  readonly owner?: string | undefined;
  readonly outputFileId: string | undefined;
  readonly errorFileId: string | undefined;
  /** Why it failed as a whole. */
  readonly errors: readonly BatchError[];
  /** Its part of each tier beside other batches. Default 1. */
  readonly weight: number;
  /** Feeds nothing for now. */
  readonly paused: boolean;
  readonly counts: BatchCounts;
  /** Of its failed rows, once it has ended: those that were not asked, or not to an end. */
  readonly notAsked?: { readonly cancelled: number; readonly expired: number };
  readonly usage: BatchUsage;
  readonly costUsd: number;
}

/** OpenAI's states. */
export type BatchStatus =
  | "validating"
  | "failed"
  | "in_progress"
  | "finalizing"
  | "completed"
  | "expired"
  | "cancelling"
  | "cancelled";

export const finalStatuses: readonly BatchStatus[] = ["failed", "completed", "expired", "cancelled"];

export interface BatchError {
  readonly code: string;
  readonly message: string;
  readonly line: number | null;
  readonly param: string | null;
}

export interface BatchCounts {
  /** 0 until all lines were seen once. */
  readonly total: number;
  readonly completed: number;
  /** Failed, expired and cancelled rows. */
  readonly failed: number;
}

export interface BatchUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
}
