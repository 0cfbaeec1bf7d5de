import { describe, expect, it } from "vitest";
import type { Outcome } from "../../src/job/outcome.ts";
import { backoffMs, decideAfter, mostOwnErrors, patienceMs, type RowHistory } from "../../src/pool/decide-retry.ts";

const fresh: RowHistory = {
  ownErrors: 0,
  othersAnswered: false,
  erringForMs: 0,
  erringCalls: 1,
  isOnlyOneErring: true,
  hasNextModel: false,
};
const noJitter = () => 0;
const decide = (outcome: Outcome, history: Partial<RowHistory> = {}) =>
  decideAfter(outcome, { ...fresh, ...history }, noJitter);

const answer = {
  text: "yes",
  finishReason: "stop",
  usage: { inputTokens: 1, outputTokens: 1, cachedTokens: 0 },
  model: "m",
};

describe("what becomes of a row after a call", () => {
  it("records an answer", () => {
    expect(decide({ kind: "answered", answer })).toEqual({ kind: "record-answer", answer });
  });

  it("fails a row that may not leave at once, whatever models are left", () => {
    const outcome: Outcome = { kind: "refused-by-policy", message: "no" };
    const failure = { kind: "record-failure", code: "policy_refused", message: "no" };
    expect(decide(outcome, { hasNextModel: true })).toEqual(failure);
  });

  it.each([
    ["rejected", "rejected"],
    ["context-overflow", "context_overflow"],
    ["content-filtered", "content_filtered"],
  ] as const)("moves a row that ends in %s to the next model, and fails it when there is none", (kind, code) => {
    const outcome: Outcome = { kind, message: "9000 tokens of 8192" };
    expect(decide(outcome, { hasNextModel: true })).toEqual({ kind: "next-model" });
    expect(decide(outcome)).toEqual({ kind: "record-failure", code, message: "9000 tokens of 8192" });
  });

  it("waits as long as a throttling backend asks, without counting an attempt, however often", () => {
    const outcome: Outcome = { kind: "throttled", message: "slow down", retryAfterMs: 90_000 };
    expect(decide(outcome, { ownErrors: 100, othersAnswered: true, erringCalls: 100 })).toEqual({
      kind: "wait",
      delayMs: 90_000,
      countsAttempt: false,
    });
  });

  it.each<Outcome>([
    { kind: "throttled", message: "slow down" },
    { kind: "unreachable", message: "refused" },
    { kind: "unavailable", scope: "tier", reason: "bad-key", message: "401" },
    { kind: "unavailable", scope: "tier", reason: "no-credit", message: "402" },
    { kind: "unavailable", scope: "model", reason: "model-missing", message: "404" },
    { kind: "unavailable", scope: "model", reason: "no-permission", message: "403" },
    { kind: "cancelled", message: "stopped" },
  ])("never fails a row for $kind, nor counts it as an attempt", (outcome) => {
    const history = { ownErrors: 100, othersAnswered: true, erringForMs: 1e9, erringCalls: 1_000 };
    expect(decide(outcome, history)).toMatchObject({ kind: "wait", countsAttempt: false });
  });

  for (const kind of ["server-error", "timed-out"] as const) {
    describe(`after ${kind}`, () => {
      const outcome: Outcome = { kind, message: "boom" };

      it("counts no attempt while the backend answers nobody else", () => {
        expect(decide(outcome, { erringCalls: 50 })).toMatchObject({ kind: "wait", countsAttempt: false });
      });

      it("counts an attempt when others are answered meanwhile", () => {
        expect(decide(outcome, { othersAnswered: true })).toMatchObject({ kind: "wait", countsAttempt: true });
      });

      it(`gives the row up at its error number ${mostOwnErrors} while others are answered`, () => {
        const before = { othersAnswered: true, ownErrors: mostOwnErrors - 2, erringCalls: mostOwnErrors - 1 };
        expect(decide(outcome, before).kind).toBe("wait");
        const last = { othersAnswered: true, ownErrors: mostOwnErrors - 1, erringCalls: mostOwnErrors };
        expect(decide(outcome, last)).toEqual({
          kind: "record-failure",
          code: "attempts_exhausted",
          message: `boom (asked ${mostOwnErrors} times)`,
        });
        expect(decide(outcome, { ...last, hasNextModel: true })).toEqual({ kind: "next-model" });
      });

      it("gives up a row that is alone with its backend only after ten minutes and several calls", () => {
        expect(decide(outcome, { erringForMs: 599_999, erringCalls: 100 }).kind).toBe("wait");
        expect(decide(outcome, { erringForMs: 600_000, erringCalls: 4 }).kind).toBe("wait");
        expect(decide(outcome, { erringForMs: 1e9, erringCalls: 100, isOnlyOneErring: false }).kind).toBe("wait");
        expect(decide(outcome, { erringForMs: 600_000, erringCalls: 5 }).kind).toBe("record-failure");
      });
    });
  }

  it("gives up a row whose answers are never valid after its third", () => {
    const outcome: Outcome = { kind: "invalid-answer", message: "no choices" };
    expect(decide(outcome, { othersAnswered: true, ownErrors: 1, erringCalls: 2 }).kind).toBe("wait");
    expect(decide(outcome, { othersAnswered: true, ownErrors: 2, erringCalls: 3 })).toMatchObject({
      kind: "record-failure",
      code: "invalid_answer",
    });
  });
});

describe("how long a row waits for a model that is down before it moves to its next one", () => {
  it("is the tier's fallbackAfterMs for what ends by itself, and two seconds for what somebody has to mend", () => {
    expect(patienceMs(false, 300_000)).toBe(300_000);
    expect(patienceMs(true, 300_000)).toBe(2_000);
    expect(patienceMs(true, 500)).toBe(500);
  });
});

describe("the delay before a row is asked again", () => {
  it("doubles from one second up to a minute", () => {
    expect([0, 1, 2, 3, 4, 5, 6, 7, 50].map((errors) => backoffMs(errors, noJitter))).toEqual([
      1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000,
    ]);
  });

  it("is up to a quarter shorter by chance, so that rows do not come back together", () => {
    expect(backoffMs(2, () => 0.999_999)).toBe(3_000);
    expect(backoffMs(2, () => 0.5)).toBe(3_500);
  });
});
