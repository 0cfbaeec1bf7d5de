import type { PromptRequest } from "./row.ts";

/**
 * States of a batch and the moves between them. `open`: rows are fed and asked. `stopping`: cancelled or past its
 * deadline; nothing more is asked and the owner records the end of every row that has none. `ended`: every row has its
 * result on disk.
 */
export type BatchState = "open" | "stopping" | "ended";

const legalMoves: Readonly<Record<BatchState, readonly BatchState[]>> = {
  open: ["stopping", "ended"],
  stopping: ["ended"],
  ended: [],
};

/** The next state, or an error for a move that the table does not have. */
export function moveBatch(from: BatchState, to: BatchState): BatchState {
  if (!legalMoves[from].includes(to)) throw new Error(`a batch cannot move from ${from} to ${to}`);
  return to;
}

/**
 * What BullMQ holds of a row: labels only, so that no prompt is in a queue, an event or a trace. Where a tier answers
 * faster than one job a row is worth, a job names several rows of one batch, task and model (`rows`, the first is
 * `row`), which its slot asks one after the other.
 */
export interface JobLabels {
  readonly batch: string;
  readonly row: number;
  readonly rows?: readonly number[];
  readonly generation: number;
  readonly hop: number;
  readonly task: string | null;
  readonly model: string;
}

/** What is put on record of a row when a call of it, or all that is asked of it, has ended. */
export type RowAction =
  /** Its one result, as the JSON of a ResultLine. */
  | { readonly kind: "record"; readonly line: string }
  /** The call ended without a result; `countsAttempt` when by the row's own fault. */
  | { readonly kind: "release"; readonly countsAttempt: boolean }
  /** The row goes to another model of its route, unless it is no longer at this hop. */
  | { readonly kind: "move"; readonly fromHop: number; readonly toPosition: number };

/** By how much a call's tokens were charged too little (or too much, negative) against the limits of its scope. */
export interface PaceCorrection {
  readonly scope: string;
  /** Milliseconds of quota by the name of the limit. */
  readonly ms: Readonly<Partial<Record<"tokens" | "input" | "output", number>>>;
}

/** What lies beside the job in Redis while the row is in the window. */
export interface RowPayload {
  /**
   * Input tokens as estimated, output tokens that the row allows (0 = as its model), most input tokens possible. First
   * in the JSON, where pace.lua reads it; only of rows whose route has limits or a budget.
   */
  readonly weight?: readonly [inputTokens: number, mostOutputTokens: number, mostInputTokens: number];
  readonly id: string;
  readonly task: string | null;
  readonly private: boolean;
  /** `--strict`: an option that its model cannot take fails the row. */
  readonly strict?: true;
  /** Model aliases in the order in which the row may use them. */
  readonly route: readonly string[];
  readonly request: PromptRequest;
  readonly metadata?: Readonly<Record<string, unknown>>;
}
