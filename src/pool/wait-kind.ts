/** The kinds of reasons for which a tier waits: few enough to count by. */
export type WaitKind =
  /** Somebody has paused its queue. */
  | "queue-paused"
  /** No endpoint takes calls. */
  | "down"
  /** One of several does not. */
  | "trouble"
  /** A backend asked to be left alone, or a model cannot be used. */
  | "paused"
  /** A limit of requests or tokens is in use. */
  | "limit"
  /** All calls that may be in flight are. */
  | "slots"
  /** Money. */
  | "budget";

/** Of the words that the gate says; any other text is a backend's. */
export function waitKindOf(reason: string): WaitKind {
  if (/^(?:unknown|requests|tokens|input|output)$/.test(reason)) return "limit";
  if (reason === "slots") return "slots";
  return /^(?:unpriced|(?:budget|day)-(?:unknown|reserved|spent|small))$/.test(reason) ? "budget" : "paused";
}
