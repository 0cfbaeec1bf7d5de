import type { Endpoints } from "./endpoints.ts";
import type { ErringRows } from "./erring-rows.ts";
import type { ModelPauses } from "./model-pauses.ts";
import { type WaitKind, waitKindOf } from "./wait-kind.ts";

/** Why a tier waits whose queue somebody has paused. */
export const queuePausedReason = "its queue is paused";

export interface OwnWait {
  readonly kind: WaitKind;
  /** In words, for the display. */
  readonly reason: string;
}

export interface OwnWaitOptions {
  readonly endpoints: Pick<Endpoints, "downSince" | "all" | "inFlight">;
  readonly pauses: Pick<ModelPauses, "shownReason">;
  readonly erring: Pick<ErringRows, "waitsAfter">;
  readonly isQueuePaused: boolean;
  /** A task has another model after one of this tier's. */
  readonly hasFallback: boolean;
}

const endWords: Readonly<Record<string, string>> = {
  "server-error": "a server error",
  "timed-out": "no answer in time",
  "invalid-answer": "an answer that cannot be used",
};

/** What lets a tier wait beside its limits. */
export function ownWait({
  endpoints,
  pauses,
  erring,
  isQueuePaused,
  hasFallback,
}: OwnWaitOptions): OwnWait | undefined {
  if (isQueuePaused) return { kind: "queue-paused", reason: queuePausedReason };
  const down = endpoints.downSince();
  if (down !== undefined) {
    const fallback = hasFallback ? fallbackWords(down.sinceMs + down.patienceMs) : "";
    return { kind: "down", reason: `${down.reason}, since ${minuteOf(down.sinceMs)} UTC${fallback}` };
  }
  const paused = pauses.shownReason();
  if (paused !== undefined) return { kind: waitKindOf(paused), reason: paused };
  const troubled = endpoints.all.find((state) => state.breaker.kind !== "closed");
  if (troubled !== undefined)
    return { kind: "trouble", reason: `${troubled.baseUrl}: ${(troubled.breaker as { reason: string }).reason}` };
  const end = endpoints.inFlight() === 0 ? erring.waitsAfter() : undefined;
  if (end === undefined) return undefined;
  const words = endWords[end] ?? end;
  return { kind: "trouble", reason: `its last call ended with ${words}; such rows are asked again within a minute` };
}

/** To the minute, so that it does not change with every look. */
function fallbackWords(fallbackAtMs: number): string {
  const leftMs = fallbackAtMs - performance.now();
  if (leftMs <= 0) return "; rows that have another model go there once it can be asked";
  return `; rows that have another model go there by ${minuteOf(fallbackAtMs + 60_000).slice(11)} UTC`;
}

/** A time of `performance.now` by the wall clock. */
function minuteOf(atMs: number): string {
  return new Date(Date.now() - performance.now() + atMs).toISOString().slice(0, 16).replace("T", " ");
}
