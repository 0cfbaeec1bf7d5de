import type { Outcome } from "../job/outcome.ts";
import { longestBackoffMs, type RowHistory } from "./decide-retry.ts";

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
  /** How a row has ended last that is to be asked again, or may be. */
  waitsAfter(): Outcome["kind"] | undefined;
}

interface ErringRow {
  readonly sinceMs: number;
  /** The endpoint's answers when the first of its calls that erred began, and when that call ended. */
  readonly answeredAtStart: number;
  readonly answeredAtFirstError: number;
  calls: number;
  lastMs: number;
  lastKind: Outcome["kind"];
}

const mayBeTheRowsFault = ({ kind }: Outcome): boolean =>
  kind === "server-error" || kind === "timed-out" || kind === "invalid-answer";
/** Rows that still err come back within the longest backoff; this one ended elsewhere. */
const forgottenAfterMs = 3 * longestBackoffMs;

export function createErringRows(): ErringRows {
  const erring = new Map<string, ErringRow>();

  /** A row that began after the last answer errs: then those that began before it tell of an outage, too. */
  function answersNobody(answeredCount: number): boolean {
    for (const { answeredAtStart } of erring.values()) if (answeredAtStart === answeredCount) return true;
    return false;
  }

  return {
    historyOf(rowKey, end, ownErrors, hasNextModel) {
      const nowMs = performance.now();
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
        answeredAtStart: end.answeredCountAtStart,
        answeredAtFirstError: end.answeredCount,
        calls: 0,
        lastMs: 0,
        lastKind: end.outcome.kind,
      };
      known.calls++;
      known.lastMs = nowMs;
      known.lastKind = end.outcome.kind;
      for (const [key, one] of erring) if (nowMs - one.lastMs > forgottenAfterMs) erring.delete(key);
      erring.set(rowKey, known);
      const answeredSince = end.answeredCount > known.answeredAtFirstError;
      const answeredBeside = end.answeredCount > known.answeredAtStart && !answersNobody(end.answeredCount);
      return {
        ownErrors,
        othersAnswered: answeredSince || answeredBeside,
        erringForMs: nowMs - known.sinceMs,
        erringCalls: known.calls,
        isOnlyOneErring: erring.size === 1,
        hasNextModel,
      };
    },
    forget(rowKey) {
      erring.delete(rowKey);
    },
    waitsAfter() {
      const nowMs = performance.now();
      for (const { lastMs, lastKind } of erring.values()) if (nowMs - lastMs <= longestBackoffMs) return lastKind;
      return undefined;
    },
  };
}
