import type { RowPayload } from "../job/batch.ts";
import { type ErrorCode, failedWithoutCall, type ResultLine } from "../job/result.ts";
import { type AskedRow, failedLine } from "./result-of-call.ts";

/** How an online call has ended. */
export interface OnlineEnd {
  /**
   * `answered` and `failed` (for the row's own reasons) are as in a batch. The others are why a row of a batch would wait:
   * `throttled` by a limit or a budget, `down`: no model of its route can be asked now; `timed-out`, `broken`: an error of
   * the backend; `cancelled`: the caller has left.
   */
  readonly kind: "answered" | "failed" | "throttled" | "down" | "timed-out" | "broken" | "cancelled";
  readonly result: ResultLine;
  /** When it is worth asking again, of `throttled` and `down`. */
  readonly retryAfterMs?: number;
}

/** Why one model of the route gave no answer; the next one is asked unless it `isFinal`. */
export interface Miss extends OnlineEnd {
  readonly isFinal: boolean;
}

/** Its tier cannot be worked by this process, as others work it otherwise. */
export function notHere({ id, task, metadata }: RowPayload, message: string): Miss {
  const result = failedWithoutCall(0, id, task, { code: "attempts_exhausted", message }, metadata);
  return { kind: "down", result, isFinal: false };
}

/** What a row was refused for says more than that another model was down; of those that can be asked later the soonest. */
export function worthTelling(misses: readonly Miss[]): OnlineEnd | undefined {
  const refused = misses.findLast(({ kind }) => kind === "failed");
  const waits = misses.filter(({ retryAfterMs }) => retryAfterMs !== undefined);
  const soonest = waits.sort((one, other) => one.retryAfterMs! - other.retryAfterMs!)[0];
  return refused ?? soonest ?? misses.at(-1);
}

export interface MissDetails {
  readonly code?: ErrorCode;
  readonly latencyMs?: number;
  readonly retryAfterMs?: number;
  readonly isFinal?: boolean;
}

export function miss(kind: OnlineEnd["kind"], asked: AskedRow, message: string, details: MissDetails): Miss {
  const { code = "attempts_exhausted", latencyMs = 0, retryAfterMs, isFinal = false } = details;
  const result = failedLine(asked, { latencyMs }, code, message);
  return { kind, result, isFinal, ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(retryAfterMs) }) };
}
