import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { ModelConfig, TierConfig } from "../../src/config/config.ts";
import type { Outcome, QuotaReport } from "../../src/job/outcome.ts";
import { createPace, type QuotaNews } from "../../src/pool/pace.ts";

const model: ModelConfig = { alias: "small", tier: "lab", model: "small", maxOutputTokens: 100, defaults: {} };
const tier: TierConfig = {
  ...{ name: "lab", provider: "openai-compatible", baseUrls: [], location: "cloud", concurrency: 8, limits: "auto" },
  ...{ requestTimeoutMs: 1_000, fallbackAfterMs: 1_000 },
};

function given() {
  const told: QuotaNews[] = [];
  const { noteOutcome } = createPace(tier, [model], (_scope, news) => void told.push(news));
  const usage = { inputTokens: 1, outputTokens: 1, cachedTokens: 0 };
  const answer = { text: "x", model: "small", finishReason: "stop", usage } as const;
  const end = (quota: QuotaReport, times: number): void => {
    for (let at = 0; at < times; at++) noteOutcome(model, { kind: "answered", answer, quota } as Outcome);
  };
  return { told, end, noteOutcome };
}

beforeEach(() => void vi.useFakeTimers({ toFake: ["performance"] }));
afterEach(() => void vi.useRealTimers());

it("a limit of which little is left is told ten times a second at most, however many answers say it", () => {
  const { told, end } = given();
  end({ requests: { perMinute: 600, left: 1 } }, 50);
  expect(told.length).toBe(1);
  vi.advanceTimersByTime(101);
  end({ requests: { perMinute: 600, left: 0 } }, 50);
  expect(told.map(({ limits }) => limits[0]?.[1].left)).toEqual([1, 0]);
});

it("a limit that is hardly used is told again every few seconds, and at once when it has changed", () => {
  const { told, end } = given();
  end({ requests: { perMinute: 600, left: 500 } }, 50);
  vi.advanceTimersByTime(1_000);
  end({ requests: { perMinute: 600, left: 500 } }, 50);
  expect(told.length).toBe(1);
  end({ requests: { perMinute: 900, left: 500 } }, 50);
  expect(told.length).toBe(2);
  vi.advanceTimersByTime(5_001);
  end({ requests: { perMinute: 900, left: 500 } }, 50);
  expect(told.length).toBe(3);
});

it("each refusal is told, as it pauses the model for everybody", () => {
  const { told, noteOutcome } = given();
  for (let at = 0; at < 3; at++) noteOutcome(model, { kind: "throttled", message: "later", retryAfterMs: 700 });
  expect(told.map(({ pauseMs }) => pauseMs)).toEqual([700, 700, 700]);
});
