import { describe, expect, it } from "vitest";
import { quotaOf, resetMs } from "../../workers/rate-limit-headers.ts";

const nowMs = Date.parse("2026-11-25T12:00:00Z");

describe("rate-limit headers", () => {
  it.each([
    ["1s", 1_000],
    ["6m0s", 360_000],
    ["12ms", 12],
    ["1h2m3.5s", 3_723_500],
    ["8.64s", 8_640],
    ["30", 30_000],
    ["2026-11-25T12:00:07Z", 7_000],
    ["2026-11-25T14:00:07+02:00", 7_000],
    ["2026-11-25T11:00:00Z", 0],
  ])("read a reset of %s as %i ms", (text, expected) => {
    expect(resetMs(text, nowMs)).toBeCloseTo(expected, 5);
  });

  it.each(["", "soon", "-5s", "12parsecs", "2026-13-99T00:00:00Z"])("read no time from %j", (text) => {
    expect(resetMs(text, nowMs)).toBeUndefined();
  });

  it("tell OpenAI's limits of requests and tokens and what is left", () => {
    const headers = {
      "x-ratelimit-limit-requests": "3000",
      "x-ratelimit-remaining-requests": "2999",
      "x-ratelimit-reset-requests": "20ms",
      "x-ratelimit-limit-tokens": "1000000",
      "x-ratelimit-remaining-tokens": "990000",
      "x-ratelimit-reset-tokens": "600ms",
    };
    expect(quotaOf(headers, nowMs)).toEqual({
      requests: { perMinute: 3_000, left: 2_999 },
      tokens: { perMinute: 1_000_000, left: 990_000 },
    });
  });

  it("tell Anthropic's four limits, of which the sum repeats the tighter one", () => {
    const of = (name: string, limit: number, left: number) => ({
      [`anthropic-ratelimit-${name}-limit`]: String(limit),
      [`anthropic-ratelimit-${name}-remaining`]: String(left),
      [`anthropic-ratelimit-${name}-reset`]: "2026-11-25T12:00:01Z",
    });
    const headers = {
      ...of("requests", 50, 49),
      ...of("input-tokens", 50_000, 49_000),
      ...of("output-tokens", 10_000, 9_000),
      ...of("tokens", 60_000, 58_000),
    };
    expect(quotaOf(headers, nowMs)).toEqual({
      requests: { perMinute: 50, left: 49 },
      input: { perMinute: 50_000, left: 49_000 },
      output: { perMinute: 10_000, left: 9_000 },
    });
  });

  it("take a limit that comes back in a day for one of a day", () => {
    const headers = {
      "x-ratelimit-limit-requests": "10000",
      "x-ratelimit-remaining-requests": "9999",
      "x-ratelimit-reset-requests": "8.64s",
    };
    expect(quotaOf(headers, nowMs)?.requests?.perMinute).toBeCloseTo(10_000 / 1_440, 6);
  });

  it.each([
    ["none", {}],
    ["a limit of 0", { "x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "0" }],
    ["a negative limit", { "x-ratelimit-limit-requests": "-1" }],
    ["words", { "x-ratelimit-limit-tokens": "unlimited" }],
    ["an absurd number", { "x-ratelimit-limit-tokens": "9".repeat(40) }],
  ])("say nothing when there is %s", (_what, headers) => {
    expect(quotaOf(headers, nowMs)).toBeUndefined();
  });

  it("believe no more left than the limit allows", () => {
    const headers = { "x-ratelimit-limit-requests": "10", "x-ratelimit-remaining-requests": "5000" };
    expect(quotaOf(headers, nowMs)).toEqual({ requests: { perMinute: 10, left: 10 } });
  });
});
