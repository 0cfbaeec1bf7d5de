import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/job/outcome.ts";
import { afterOutcome, afterProbe, type Breaker, closedBreaker, probeNow } from "../../src/pool/breaker.ts";

const nowMs = 1_000_000;
/** In the middle: no jitter. */
const middle = () => 0.5;
const next = (breaker: Breaker, outcome: Outcome) => afterOutcome(breaker, outcome, nowMs, middle);
const probed = (breaker: Breaker, failure?: Outcome) => afterProbe(breaker, failure, nowMs, middle);

const answered: Outcome = {
  kind: "answered",
  answer: { text: "", finishReason: "stop", usage: { inputTokens: 0, outputTokens: 0, cachedTokens: 0 }, model: "m" },
};
const unreachable: Outcome = { kind: "unreachable", message: "connection refused" };
const badKey: Outcome = { kind: "unavailable", scope: "tier", reason: "bad-key", message: "bad key" };
const serverError: Outcome = { kind: "server-error", message: "500" };
const timedOut: Outcome = { kind: "timed-out", message: "too slow" };
const invalid: Outcome = { kind: "invalid-answer", message: "html" };
const likely = [serverError, timedOut, invalid];
/** The backend is there and works: it judged this one request. */
const speaksForIt: Outcome[] = [
  { kind: "rejected", message: "no" },
  { kind: "content-filtered", message: "no" },
  { kind: "context-overflow", message: "no" },
];
const saysNothing: Outcome[] = [
  { kind: "throttled", message: "slow down" },
  { kind: "unavailable", scope: "model", reason: "model-missing", message: "no such model" },
  { kind: "refused-by-policy", message: "private" },
  { kind: "cancelled", message: "stopped" },
];

const open: Breaker = { kind: "open", sinceMs: 500, probeAtMs: 900, tries: 2, reason: "down", needsAction: false };
const trial: Breaker = { kind: "trial", sinceMs: 500, tries: 2, reason: "down" };
const nearlyOpen: Breaker = { kind: "closed", outages: 4 };

describe("the breaker of an endpoint", () => {
  for (const breaker of [closedBreaker, nearlyOpen, open, trial]) {
    it(`is closed by an answer (${breaker.kind}), and forgets the outages`, () => {
      expect(next(breaker, answered)).toEqual(closedBreaker);
    });

    it.each(speaksForIt)(`is closed (${breaker.kind}) by $kind, which only a working backend says`, (outcome) => {
      expect(next(breaker, outcome)).toEqual(closedBreaker);
    });

    it.each(saysNothing)(
      `stays as it is (${breaker.kind}) after $kind, which says nothing of the backend`,
      (outcome) => {
        expect(next(breaker, outcome)).toBe(breaker);
      },
    );
  }

  it.each([unreachable, badKey])(
    "opens at the first $kind, with its reason, and probes after half a second",
    (outcome) => {
      expect(next(closedBreaker, outcome)).toEqual({
        kind: "open",
        sinceMs: nowMs,
        probeAtMs: nowMs + 500,
        tries: 0,
        reason: (outcome as { message: string }).message,
        needsAction: outcome === badKey,
      });
    },
  );

  it.each(likely)("counts $kind while closed, and opens at the fifth without an answer between them", (outcome) => {
    let breaker: Breaker = closedBreaker;
    for (let outages = 1; outages <= 4; outages++) {
      breaker = next(breaker, outcome);
      expect(breaker).toEqual({ kind: "closed", outages });
    }
    expect(next(breaker, outcome)).toMatchObject({ kind: "open", sinceMs: nowMs });
  });

  it("starts to count anew after an answer", () => {
    expect(next(next(nearlyOpen, answered), serverError)).toEqual({ kind: "closed", outages: 1 });
  });

  it.each([unreachable, badKey, ...likely])(
    "is not put off by $kind of calls that were in flight when it opened",
    (outcome) => {
      expect(next(open, outcome)).toBe(open);
    },
  );

  it("takes one call on trial after a probe that succeeds, and knows since when it is down", () => {
    expect(probed(open)).toEqual({ kind: "trial", sinceMs: 500, tries: 2, reason: "down" });
  });

  it("waits longer after a probe that fails, and shows the newest reason", () => {
    expect(probed(open, badKey)).toEqual({
      kind: "open",
      sinceMs: 500,
      probeAtMs: nowMs + 4_000,
      tries: 3,
      reason: "bad key",
      needsAction: true,
    });
  });

  it.each([unreachable, badKey, ...likely])("opens again for longer when its trial ends in $kind", (outcome) => {
    expect(next(trial, outcome)).toMatchObject({ kind: "open", sinceMs: 500, tries: 3, probeAtMs: nowMs + 4_000 });
  });

  it.each([closedBreaker, nearlyOpen, trial])("takes no notice of a late probe when $kind", (breaker) => {
    expect(probed(breaker)).toBe(breaker);
    expect(probed(breaker, unreachable)).toBe(breaker);
  });

  it("is probed at once when what stood in its way may have been mended, and only while it is open", () => {
    expect(probeNow(open, nowMs)).toEqual({ ...open, probeAtMs: nowMs });
    for (const breaker of [closedBreaker, trial]) expect(probeNow(breaker, nowMs)).toBe(breaker);
  });

  it("probes at 0.5, 1, 2, 4, 8 and then every 15 s", () => {
    const delaysMs: number[] = [];
    let breaker = next(closedBreaker, unreachable);
    for (let probe = 0; probe < 8; probe++) {
      delaysMs.push((breaker as { probeAtMs: number }).probeAtMs - nowMs);
      breaker = probed(breaker, unreachable);
    }
    expect(delaysMs).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]);
  });

  it("spreads the probes of many processes by a quarter in both directions", () => {
    const early = afterOutcome(closedBreaker, unreachable, nowMs, () => 0) as { probeAtMs: number };
    const late = afterOutcome(closedBreaker, unreachable, nowMs, () => 1) as { probeAtMs: number };
    expect([early.probeAtMs - nowMs, late.probeAtMs - nowMs]).toEqual([375, 625]);
  });
});
