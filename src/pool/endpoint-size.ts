import type { Gauges } from "../../workers/adapter.ts";
import { divideSize, type SizeNotice } from "./divide-size.ts";
import { afterGauges, afterRefusal, startSize, withOthers } from "./size-pool.ts";
import { heldSize, hold, ownLimitOf } from "./size-state.ts";
import { watchCalls } from "./watch-calls.ts";

/** How many calls one endpoint is sent at once, when its concurrency is "auto". */
export interface EndpointSize {
  /** Of this process. May be 0 where others have all. */
  limit(): number;
  /** Of all processes. */
  total(): number;
  started(nowMs: number): void;
  ended(nowMs: number, latencyMs: number, how: CallHow): void;
  /** To be called a few times a second. */
  tick(nowMs: number): void;
  gauges(gauges: Gauges, nowMs: number): void;
  notice(): SizeNotice;
  /** Divides it anew among the processes that live, by what they said last. */
  divide(
    processId: string,
    members: readonly { readonly process: string; readonly notice: SizeNotice | undefined }[],
    nowMs: number,
  ): void;
}

/** "refused": its queue is full or it throttles; "other": an end that says nothing of the server's pace. */
export type CallHow = "answered" | "refused" | "other";

/** Ticks come a few times a second. */
const stoodStillMs = 600;

export function createEndpointSize(
  bounds: { readonly start: number; readonly most: number },
  startMs: number,
): EndpointSize {
  const watch = watchCalls(startSize(bounds), startMs);
  let leads = true;
  let hasDivided = false;
  let hasFollowed = false;
  let share = bounds.start;
  let followed = bounds.start;
  let inFlight = 0;
  let tickedMs = startMs;

  const own = (): number => (leads ? ownLimitOf(watch.state) : share);

  return {
    limit: own,
    total: () => (leads ? Math.max(own(), Math.round(heldSize(watch.state))) : Math.max(share, followed)),
    started(nowMs) {
      inFlight++;
      watch.started(nowMs);
    },
    ended(nowMs, latencyMs, how) {
      inFlight--;
      watch.ended(nowMs, latencyMs, how === "answered");
      if (how === "refused" && leads) watch.become(afterRefusal(watch.state, inFlight), nowMs);
    },
    tick(nowMs) {
      // This process itself stood still: what was seen says nothing of the server.
      if (nowMs - tickedMs > stoodStillMs) watch.become(watch.state, nowMs);
      else watch.tick(nowMs);
      tickedMs = nowMs;
    },
    gauges(gauges, nowMs) {
      const next = leads ? afterGauges(watch.state, gauges, inFlight) : watch.state;
      if (next.limit !== watch.state.limit) watch.become(next, nowMs);
      else if (next !== watch.state) watch.note(next);
    },
    notice: () => ({ leads: leads && hasDivided, total: heldSize(watch.state), own: own() }),
    divide(processId, members, nowMs) {
      const divided = divideSize(processId, members);
      const hasTaken = divided.leads && !leads && hasFollowed;
      leads = divided.leads;
      hasDivided = true;
      if (!leads) {
        hasFollowed = true;
        if (divided.total !== undefined) {
          share = divided.share;
          followed = Math.round(divided.total);
        }
        return;
      }
      const { state } = watch;
      const total = hasTaken ? hold(state, divided.total ?? share + divided.others) : state;
      // A call more or less there is no news.
      const isNews = hasTaken || Math.abs(divided.others - state.others) > 0.04 * state.limit;
      if (isNews) watch.become(withOthers(total, divided.others), nowMs);
    },
  };
}
