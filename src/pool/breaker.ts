import type { Outcome } from "../job/outcome.ts";

/**
 * Whether an endpoint is asked. A value; the functions here are its only moves and are pure.
 *
 * closed ── outages without an answer between them ──▶ open ── a probe that succeeds ──▶ trial ── an answer ──▶ closed
 *                                                      ▲  └─ a probe that fails: later ─┐ │
 *                                                      └────────────────────────────────┴─┘ an outage: later
 */
export type Breaker =
  | { readonly kind: "closed"; readonly outages: number }
  | {
      readonly kind: "open";
      readonly sinceMs: number;
      readonly probeAtMs: number;
      readonly tries: number;
      readonly reason: string;
      /** Waiting alone does not mend it: a key is bad, the credit is used up. */
      readonly needsAction: boolean;
    }
  /** One call at a time, until one is answered. */
  | { readonly kind: "trial"; readonly sinceMs: number; readonly tries: number; readonly reason: string };

export const closedBreaker: Breaker = { kind: "closed", outages: 0 };

/** Errors in a row, with no answer between them, that open it; one refused connection is enough. */
const outagesToOpen = 5;

/** Whether an outcome speaks of the backend and not of the row. */
function outageOf(outcome: Outcome): "certain" | "likely" | "none" {
  switch (outcome.kind) {
    case "unreachable":
      return "certain";
    case "unavailable":
      return outcome.scope === "tier" ? "certain" : "none";
    case "server-error":
    case "timed-out":
    case "invalid-answer":
      return "likely";
    default:
      return "none";
  }
}

/** An answer, or a refusal of this one request: the backend is there and works. */
function speaksForBackend({ kind }: Outcome): boolean {
  return kind === "answered" || kind === "rejected" || kind === "content-filtered" || kind === "context-overflow";
}

export function afterOutcome(breaker: Breaker, outcome: Outcome, nowMs: number, random: () => number): Breaker {
  if (speaksForBackend(outcome)) return closedBreaker;
  const outage = outageOf(outcome);
  if (outage === "none") return breaker;
  switch (breaker.kind) {
    case "closed": {
      const outages = breaker.outages + 1;
      if (outage === "likely" && outages < outagesToOpen) return { kind: "closed", outages };
      return open(nowMs, 0, outcome, nowMs, random);
    }
    case "trial":
      return open(nowMs, breaker.tries + 1, outcome, breaker.sinceMs, random);
    case "open":
      return breaker;
  }
}

/** @param failure as what the probe found it unusable; undefined when it is there. */
export function afterProbe(
  breaker: Breaker,
  failure: Outcome | undefined,
  nowMs: number,
  random: () => number,
): Breaker {
  if (breaker.kind !== "open") return breaker;
  if (failure === undefined) {
    return { kind: "trial", sinceMs: breaker.sinceMs, tries: breaker.tries, reason: breaker.reason };
  }
  return open(nowMs, breaker.tries + 1, failure, breaker.sinceMs, random);
}

/** What stood in its way may have been mended, such as a key: it is probed at once. */
export function probeNow(breaker: Breaker, nowMs: number): Breaker {
  return breaker.kind === "open" ? { ...breaker, probeAtMs: nowMs } : breaker;
}

/** Probes come after 0.5 s, 1 s, 2 s … 15 s, give or take a quarter. */
function open(nowMs: number, tries: number, outcome: Outcome, sinceMs: number, random: () => number): Breaker {
  const reason = "message" in outcome ? outcome.message : outcome.kind;
  const delayMs = Math.min(500 * 2 ** Math.min(tries, 5), 15_000) * (0.75 + random() / 2);
  return {
    kind: "open",
    sinceMs,
    probeAtMs: nowMs + delayMs,
    tries,
    reason,
    needsAction: outcome.kind === "unavailable",
  };
}
