/** Why a row failed; part of the output format. */
export const errorCodes = [
  "invalid_row",
  "rejected",
  "content_filtered",
  "context_overflow",
  "invalid_answer",
  "attempts_exhausted",
  "worker_crashed",
  "policy_refused",
  "no_consensus",
  "budget_exhausted",
  "deadline_passed",
  "cancelled",
] as const;
export type ErrorCode = (typeof errorCodes)[number];

/** How several models answered a row. */
export interface ConsensusReport {
  /** Enough of them agree, or the stronger model has decided. */
  readonly agreed: boolean;
  /** Of the weights of all models: those that agree, or that have the answer given most. */
  readonly share: number;
  /**
   * What the agreement goes by: the choice, the JSON's fields, the normalised text, a judge, the similarity of embeddings,
   * the stronger model.
   */
  readonly by: "label" | "fields" | "text" | "judge" | "similarity" | "escalation";
  /**
   * By similarity: that of the row's answer to the one least like it of those that agree with it. Without an agreement:
   * of the two answers that are most alike among those that are not alike enough.
   */
  readonly similarity?: number;
  /** Without an agreement on JSON: the fields in which answers differ, as JSON pointers. */
  readonly fields?: readonly string[];
  readonly votes: readonly VoteReport[];
}

export interface VoteReport {
  readonly model: string;
  /** Of a call that was no vote. */
  readonly role?: "judge" | "similarity" | "escalation";
  readonly tier: string | null;
  readonly text: string | null;
  /** With the row's answer. */
  readonly agreed: boolean;
  /** Of JSON: where it differs from the row's answer. */
  readonly fields?: readonly string[];
  /** By similarity: how like the row's answer it is, where it does not agree. */
  readonly similarity?: number;
  readonly usage: ResultLine["usage"];
  readonly cost_usd: number;
  readonly latency_ms: number;
  /** 0: it was not asked. */
  readonly attempts: number;
  readonly error: ResultLine["error"];
}

/** The one recorded end of a row, exactly as a flat output line holds it. */
export interface ResultLine {
  readonly id: string;
  /** Position of the row in the input, from 0. */
  readonly index: number;
  readonly task: string | null;
  readonly status: "answered" | "failed";
  readonly text: string | null;
  readonly json?: unknown;
  readonly model: string | null;
  readonly tier: string | null;
  readonly finish_reason: string | null;
  readonly usage: { readonly input_tokens: number; readonly output_tokens: number; readonly cached_tokens: number };
  readonly cost_usd: number;
  readonly latency_ms: number;
  readonly attempts: number;
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
  /** Of a row that several models were asked; its usage, cost and attempts are the sums of theirs. */
  readonly consensus?: ConsensusReport;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** The provider's whole answer; only for rows that came as OpenAI batch lines, and not part of flat output. */
  readonly openai_body?: Readonly<Record<string, unknown>>;
  /** The same for rows that came as requests of an Anthropic batch. */
  readonly anthropic_body?: Readonly<Record<string, unknown>>;
}

/** The result of a row for which no call is made, or none that counts. */
export function failedWithoutCall(
  index: number,
  id: string,
  task: string | null,
  { code, message }: { readonly code: ErrorCode; readonly message: string },
  metadata?: Readonly<Record<string, unknown>>,
): ResultLine {
  return {
    id,
    index,
    task,
    status: "failed",
    text: null,
    model: null,
    tier: null,
    finish_reason: null,
    usage: { input_tokens: 0, output_tokens: 0, cached_tokens: 0 },
    cost_usd: 0,
    latency_ms: 0,
    attempts: 0,
    error: { code, message },
    ...(metadata === undefined ? {} : { metadata }),
  };
}
