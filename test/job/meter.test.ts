import { describe, expect, it } from "vitest";
import type { EndedCall } from "../../src/job/ended-call.ts";
import { bucketBoundsMs, createMeter, fieldOf, sumLabel } from "../../src/job/meter.ts";

const meterOf = () => createMeter({ models: ["fast", "slow"], tasks: ["labels"] });

function answeredCall(more: Partial<EndedCall> = {}): EndedCall {
  const usage = { inputTokens: 31, outputTokens: 12, cachedTokens: 4 };
  const answer = { text: "private text", finishReason: "stop", usage, model: "m" };
  return {
    ...{ tier: "lab", model: "fast", task: "labels", outcome: { kind: "answered", answer } },
    ...{ costUsd: 0.0000091, startedAtMs: 0, latencyMs: 120 },
    ...more,
  };
}

describe("the meter of a process", () => {
  it("counts a call with its outcome, tokens, billionths of dollars, and the bucket that its time is in", () => {
    const meter = meterOf();
    meter.callEnded(answeredCall());
    meter.callEnded(answeredCall());
    meter.callEnded(answeredCall({ outcome: { kind: "throttled", message: "later" } }));
    expect(Object.fromEntries(meter.take())).toEqual({
      [fieldOf("calls", "lab", "fast", "answered")]: 2,
      [fieldOf("calls", "lab", "fast", "throttled")]: 1,
      [fieldOf("tokens", "input", "lab", "fast")]: 62,
      [fieldOf("tokens", "output", "lab", "fast")]: 24,
      [fieldOf("tokens", "cached", "lab", "fast")]: 8,
      [fieldOf("costNanoUsd", "lab", "fast")]: 18_200,
      [fieldOf("callLatency", "lab", "fast", bucketBoundsMs.indexOf(250))]: 2,
      [fieldOf("callLatency", "lab", "fast", sumLabel)]: 240,
    });
  });

  it("puts a time that is exactly a bound into that bound's bucket, and what is above all of them into the last", () => {
    const meter = meterOf();
    meter.queueWaited("lab", 10);
    meter.queueWaited("lab", 10.4);
    meter.queueWaited("lab", 3_600_000);
    meter.queueWaited("lab", -5);
    expect(Object.fromEntries(meter.take())).toEqual({
      [fieldOf("queueWait", "lab", 0)]: 2,
      [fieldOf("queueWait", "lab", 1)]: 1,
      [fieldOf("queueWait", "lab", bucketBoundsMs.length)]: 1,
      [fieldOf("queueWait", "lab", sumLabel)]: 3_600_020,
    });
  });

  it("has no label that a row could make up", () => {
    const meter = meterOf();
    const error = { code: "rejected", message: "the text of the row" } as const;
    meter.rowEnded({ tier: "lab", model: "lab/made-up", task: "made up", error: null });
    meter.rowEnded({ tier: "lab", model: "slow", task: "labels", error });
    meter.rowEnded({ tier: null, model: null, task: null, error });
    meter.callEnded(answeredCall({ model: "lab/made-up" }));
    meter.pacingWaited("lab", "lab/made-up", 30);
    const fields = [...meter.take().keys()];
    expect(fields).toContain(fieldOf("rows", "lab", "other", "other", "answered"));
    expect(fields).toContain(fieldOf("rows", "lab", "slow", "labels", "rejected"));
    expect(fields).toContain(fieldOf("rows", "none", "none", "none", "rejected"));
    expect(fields.join(" ")).not.toMatch(/made|text/);
  });

  it("tells each increment once, what did not arrive once more, and keeps the sum of all", () => {
    const meter = meterOf();
    const row = { tier: "lab", model: "fast", task: null, error: null };
    const field = fieldOf("rows", "lab", "fast", "none", "answered");
    meter.rowEnded(row);
    expect(meter.take().get(field)).toBe(1);
    expect(meter.take().size).toBe(0);
    meter.rowEnded(row);
    const lost = meter.take();
    meter.rowEnded(row);
    meter.giveBack(lost);
    expect(meter.take().get(field)).toBe(2);
    expect(meter.totals().get(field)).toBe(3);
  });

  it("lets no counter fall by what a backend says of its tokens", () => {
    const meter = meterOf();
    const usage = { inputTokens: -3, outputTokens: Number.NaN, cachedTokens: 0.4 };
    const answer = { text: "", finishReason: "stop", usage, model: "m" };
    meter.callEnded(answeredCall({ outcome: { kind: "answered", answer }, costUsd: Number.NaN }));
    for (const amount of meter.take().values()) expect(amount).toBeGreaterThanOrEqual(0);
  });
});
