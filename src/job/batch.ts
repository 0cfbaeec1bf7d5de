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
  /**
   * The call ended without a result; `countsAttempt` when by the row's own fault. `endUnknown`: the backend may have
   * done the work for nothing, and the row is asked again.
   */
  | { readonly kind: "release"; readonly countsAttempt: boolean; readonly endUnknown?: boolean }
  /** It is not needed any more: done without a result, unless it is in a call. */
  | { readonly kind: "withdraw" }
  /** The row goes to another model of its route, unless it is no longer at this hop. */
  | { readonly kind: "move"; readonly fromHop: number; readonly toPosition: number; readonly endUnknown?: boolean };

/** How a call ended for what it was let in by: limits, slots, money. */
export interface Settlement {
  readonly scope: string;
  readonly tier: string;
  /** Milliseconds of quota that were charged too little (or too much, negative), by the name of the limit. */
  readonly ms: Readonly<Partial<Record<"requests" | "tokens" | "input" | "output", number>>>;
  /** Undefined: nobody knows, so all that was reserved for it counts as spent. */
  readonly costUsd: number | undefined;
  /** Calls of the tier that this process holds without it; undefined where they are not counted. */
  readonly held: (() => number) | undefined;
}

/** What lies beside the job in Redis while the row is in the window. */
export interface RowPayload {
  /**
   * Input tokens as estimated, output tokens that the row allows (0 = as its model), most input tokens possible of a
   * call, most calls of an attempt. First in the JSON, where pace.lua and budget.lua read it; only of rows whose route
   * has limits or a budget.
   */
  readonly weight?: readonly [inputTokens: number, mostOutputTokens: number, mostInputTokens: number, calls: number];
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
