import { assertNever } from "../job/errors.ts";
import type { Answer, Outcome } from "../job/outcome.ts";
import type { ErrorCode } from "../job/result.ts";

/** What becomes of a row after a call. */
export type Decision =
  | { readonly kind: "record-answer"; readonly answer: Answer }
  | { readonly kind: "record-failure"; readonly code: ErrorCode; readonly message: string }
  | { readonly kind: "next-model" }
  | { readonly kind: "wait"; readonly delayMs: number; readonly countsAttempt: boolean };

export interface RowHistory {
  /** Errors that were held to be the row's own, before this call. */
  readonly ownErrors: number;
  /** The endpoint answers other rows while this one errs: then the error is the row's, not the backend's. */
  readonly othersAnswered: boolean;
  /** Time since this row first erred, and calls of it that erred since then, this one included. */
  readonly erringForMs: number;
  readonly erringCalls: number;
  /** No other row of the tier errs: then it need not be an outage. */
  readonly isOnlyOneErring: boolean;
  readonly hasNextModel: boolean;
}

/** A row that errs this often while others are answered is given up. */
export const mostOwnErrors = 5;
const mostInvalidAnswers = 3;
/** A row that nobody else shares the backend with is given up after this long and `mostOwnErrors` calls. */
const aloneGiveUpMs = 600_000;

export const longestBackoffMs = 60_000;

/** 1 s, 2 s, 4 s … at most a minute, less up to a quarter by chance so that rows do not come back together. */
export function backoffMs(errorCount: number, random: () => number): number {
  const full = Math.min(1_000 * 2 ** Math.min(errorCount, 6), longestBackoffMs);
  return Math.round(full * (1 - random() / 4));
}

/** Long enough for a look at the key file and a probe with what it says now. */
const actionPatienceMs = 2_000;

/**
 * How long rows with another model wait for one that is down before they move on: an outage ends by itself, a bad key,
 * missing credit or a missing model does not. Rows without another one wait for as long as it takes.
 */
export function patienceMs(needsAction: boolean, fallbackAfterMs: number): number {
  return needsAction ? Math.min(actionPatienceMs, fallbackAfterMs) : fallbackAfterMs;
}

/**
 * A row fails only for its own reasons; everything else is waited for. A pure function.
 * @param random a number in [0, 1), for the jitter.
 */
export function decideAfter(outcome: Outcome, history: RowHistory, random: () => number = Math.random): Decision {
  switch (outcome.kind) {
    case "answered":
      return { kind: "record-answer", answer: outcome.answer };
    // Another model takes other options and images, has more room, or another filter.
    case "rejected":
      return nextModelOr("rejected", outcome.message, history);
    case "content-filtered":
      return nextModelOr("content_filtered", outcome.message, history);
    case "context-overflow":
      return nextModelOr("context_overflow", outcome.message, history);
    case "refused-by-policy":
      return { kind: "record-failure", code: "policy_refused", message: outcome.message };
    case "invalid-answer":
      return afterOwnError(outcome.message, history, mostInvalidAnswers, "invalid_answer", random);
    case "server-error":
    case "timed-out":
      return afterOwnError(outcome.message, history, mostOwnErrors, "attempts_exhausted", random);
    case "throttled":
      return { kind: "wait", delayMs: outcome.retryAfterMs ?? backoffMs(0, random), countsAttempt: false };
    case "unreachable":
    case "unavailable":
      return { kind: "wait", delayMs: backoffMs(0, random), countsAttempt: false };
    case "cancelled":
      return { kind: "wait", delayMs: 0, countsAttempt: false };
    default:
      return assertNever(outcome);
  }
}

/** Whether the backend may have done the work of a call of which nobody has seen the end. Of none that was not made. */
export function isEndUnknown({
  outcome,
  latencyMs,
}: {
  readonly outcome: Outcome;
  readonly latencyMs: number;
}): boolean {
  switch (outcome.kind) {
    case "server-error":
      return outcome.unanswered === true;
    case "timed-out":
      return true;
    case "cancelled":
      return latencyMs > 0;
    default:
      return false;
  }
}

function afterOwnError(
  message: string,
  history: RowHistory,
  most: number,
  code: ErrorCode,
  random: () => number,
): Decision {
  const aloneTooLong = history.isOnlyOneErring && history.erringForMs >= aloneGiveUpMs && history.erringCalls >= most;
  const errors = history.ownErrors + (history.othersAnswered ? 1 : 0);
  if (errors < most && !aloneTooLong) {
    const delayMs = backoffMs(Math.max(errors, history.erringCalls) - 1, random);
    return { kind: "wait", delayMs, countsAttempt: history.othersAnswered };
  }
  return nextModelOr(code, `${message} (asked ${history.erringCalls} times)`, history);
}

function nextModelOr(code: ErrorCode, message: string, { hasNextModel }: RowHistory): Decision {
  return hasNextModel ? { kind: "next-model" } : { kind: "record-failure", code, message };
}
