import type { Outcome } from "./outcome.ts";

/** One call that was made and has ended, for those who count or trace calls; nothing of what was asked. */
export interface EndedCall {
  readonly tier: string;
  /** The name by which the row was routed to its model. */
  readonly model: string;
  readonly task: string | null;
  readonly outcome: Outcome;
  /** As far as it is known: 0 where nobody knows a price. */
  readonly costUsd: number;
  /** By `Date.now`. */
  readonly startedAtMs: number;
  readonly latencyMs: number;
}
