import type { Outcome } from "../job/outcome.ts";
import type { RowHistory } from "./decide-retry.ts";

export interface CallEnd {
  readonly outcome: Outcome;
  readonly latencyMs: number;
  /** Answers of the endpoint up to now; grows. */
  readonly answeredCount: number;
  readonly answeredCountAtStart: number;
}

/** What is known of the rows of a tier that err, by which it is told whose fault that is. */
export interface ErringRows {
  /** What is known of a row's errors, after one of its calls has ended so. */
  historyOf(rowKey: string, end: CallEnd, ownErrors: number, hasNextModel: boolean): RowHistory;
  forget(rowKey: string): void;
}

interface ErringRow {
  readonly sinceMs: number;
  readonly answeredCount: number;
  calls: number;
  lastMs: number;
}

const mayBeTheRowsFault = ({ kind }: Outcome): boolean =>
  kind === "server-error" || kind === "timed-out" || kind === "invalid-answer";
/** Rows that still err come back within the longest backoff, a minute; this one ended elsewhere. */
const forgottenAfterMs = 180_000;

export function createErringRows(): ErringRows {
  const erring = new Map<string, ErringRow>();
  return {
    historyOf(rowKey, end, ownErrors, hasNextModel) {
      const nowMs = Date.now();
      if (!mayBeTheRowsFault(end.outcome)) {
        return {
          ownErrors,
          othersAnswered: false,
          erringForMs: 0,
          erringCalls: 0,
          isOnlyOneErring: false,
          hasNextModel,
        };
      }
      const known = erring.get(rowKey) ?? {
        sinceMs: nowMs,
        answeredCount: end.answeredCountAtStart,
        calls: 0,
        lastMs: 0,
      };
      known.calls++;
      known.lastMs = nowMs;
      for (const [key, one] of erring) if (nowMs - one.lastMs > forgottenAfterMs) erring.delete(key);
      erring.set(rowKey, known);
      return {
        ownErrors,
        othersAnswered: end.answeredCount > known.answeredCount,
        erringForMs: nowMs - known.sinceMs,
        erringCalls: known.calls,
        isOnlyOneErring: erring.size === 1,
        hasNextModel,
      };
    },
    forget(rowKey) {
      erring.delete(rowKey);
    },
  };
}
