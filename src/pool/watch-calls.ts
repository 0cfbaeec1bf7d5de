import { afterWindow, windowEnd } from "./size-pool.ts";
import type { SeenWindow, SizeState } from "./size-state.ts";

/** Counts the calls of one endpoint and moves its size on when a window is over: a few additions a call. */
export interface CallWatch {
  readonly state: SizeState;
  started(nowMs: number): void;
  /** @param worked false for a call that the server did not work on: it was refused, or never sent. */
  ended(nowMs: number, latencyMs: number, worked: boolean): void;
  /** To be called now and then, for windows that end by time. */
  tick(nowMs: number): void;
  /** Puts a state in place that something else than a window led to; what was seen so far counts no more. */
  become(state: SizeState, nowMs: number): void;
  /** The same for a state with the same limit: what was seen so far counts. */
  note(state: SizeState): void;
}

export function watchCalls(first: SizeState, startMs: number): CallWatch {
  let state = first;
  let end = windowEnd(state);
  let inFlight = 0;
  let sinceMs = startMs;
  let countedMs = startMs;
  let lastMs = startMs;
  let callMsAtLast = 0;
  let [answers, callMs, latencySum, latencySquares] = [0, 0, 0, 0];

  function count(nowMs: number): void {
    callMs += inFlight * (nowMs - countedMs);
    countedMs = nowMs;
  }

  function close(atMs: number, callMsThen: number): void {
    const seen: SeenWindow = {
      durationMs: atMs - sinceMs,
      answers,
      callMs: callMsThen,
      others: state.others,
      latencyMs: latencySum,
      latencySquares,
    };
    restart(atMs, callMs - callMsThen);
    if (seen.durationMs <= 0) return;
    state = afterWindow(state, seen);
    end = windowEnd(state);
  }

  function restart(atMs: number, callMsSince: number): void {
    sinceMs = atMs;
    lastMs = atMs;
    callMs = callMsSince;
    [answers, latencySum, latencySquares] = [0, 0, 0];
  }

  return {
    get state() {
      return state;
    },
    started(nowMs) {
      count(nowMs);
      inFlight++;
    },
    ended(nowMs, latencyMs, worked) {
      count(nowMs);
      inFlight--;
      if (!worked) return;
      // Between two bursts: calls that were sent together are answered together, and half a burst would be a wrong rate.
      if (answers >= end.answers && nowMs - lastMs > (lastMs - sinceMs) / answers) close(lastMs, callMsAtLast);
      lastMs = nowMs;
      callMsAtLast = callMs;
      answers++;
      latencySum += latencyMs;
      latencySquares += latencyMs * latencyMs;
    },
    tick(nowMs) {
      if (nowMs - sinceMs < end.afterMs) return;
      count(nowMs);
      close(nowMs, callMs);
    },
    become(next, nowMs) {
      count(nowMs);
      restart(nowMs, 0);
      state = next;
      end = windowEnd(state);
    },
    note(next) {
      state = next;
    },
  };
}
