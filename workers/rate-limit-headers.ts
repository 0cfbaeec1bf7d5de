import type { Outcome, QuotaLimit, QuotaReport } from "../src/job/outcome.ts";
import type { Headers, HttpResponse } from "./response.ts";

/** Header names of each limit: OpenAI's family, then Anthropic's. */
const openaiNames = { requests: "requests", tokens: "tokens" } as const;
const anthropicNames = {
  requests: "requests",
  tokens: "tokens",
  input: "input-tokens",
  output: "output-tokens",
} as const;

const dayMs = 86_400_000;
const minuteMs = 60_000;
/** Times to the next reset beyond this say that a limit is of a day. */
const longestMinuteMs = 30 * minuteMs;
const largestLimit = 1e12;

/**
 * What the headers of an answer say of the provider's limits, or undefined without such headers. What is no number, not
 * above 0 or absurd says nothing. A day's limit (OpenAI's lowest accounts have one of requests) comes as that of a
 * minute: the reset tells which it is, as it says how long the used part takes to come back.
 */
export function quotaOf(headers: Headers, nowMs: number = Date.now()): QuotaReport | undefined {
  const openai = headers["x-ratelimit-limit-requests"] ?? headers["x-ratelimit-limit-tokens"];
  if (openai !== undefined) {
    return readLimits(openaiNames, (name, what) => headers[`x-ratelimit-${what}-${name}`], nowMs);
  }
  if (headers["anthropic-ratelimit-requests-limit"] ?? headers["anthropic-ratelimit-input-tokens-limit"]) {
    const limits = readLimits(anthropicNames, (name, what) => headers[`anthropic-ratelimit-${name}-${what}`], nowMs);
    // `tokens` repeats the tighter of the two others.
    if (limits?.input === undefined && limits?.output === undefined) return limits;
    const { tokens: _repeated, ...rest } = limits;
    return rest;
  }
  return undefined;
}

/** The end of a call with what its response says of the provider's limits. */
export function withQuota(outcome: Outcome, { headers }: HttpResponse): Outcome {
  if (outcome.kind !== "answered" && outcome.kind !== "throttled") return outcome;
  const quota = quotaOf(headers);
  return quota === undefined ? outcome : { ...outcome, quota };
}

function readLimits(
  names: Readonly<Record<string, string>>,
  read: (name: string, what: "limit" | "remaining" | "reset") => string | string[] | undefined,
  nowMs: number,
): QuotaReport | undefined {
  const found = Object.entries(names).flatMap(([limit, name]): [string, QuotaLimit][] => {
    const allowed = numberOf(read(name, "limit"));
    if (allowed === undefined || allowed <= 0 || allowed > largestLimit) return [];
    const left = Math.min(allowed, numberOf(read(name, "remaining")) ?? allowed);
    const isOfDay = periodMs(allowed, left, resetMs(read(name, "reset"), nowMs)) > longestMinuteMs;
    return [[limit, { perMinute: isOfDay ? (allowed * minuteMs) / dayMs : allowed, left }]];
  });
  return found.length === 0 ? undefined : (Object.fromEntries(found) as QuotaReport);
}

/** In how long the whole limit comes back, if the used part of it does in this time; a second less, as some round up. */
function periodMs(allowed: number, left: number, reset: number | undefined): number {
  const used = allowed - left;
  return reset === undefined || used <= 0 ? 0 : (Math.max(0, reset - 1_000) * allowed) / used;
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: minuteMs, h: 3_600_000, d: dayMs };

/** OpenAI writes "1s", "6m0s", "12ms" or "1h2m3.5s", others seconds; Anthropic an RFC 3339 time. */
export function resetMs(header: string | string[] | undefined, nowMs: number): number | undefined {
  const text = one(header)?.trim();
  if (text === undefined || text === "") return undefined;
  const seconds = numberOf(text);
  if (seconds !== undefined) return seconds * 1_000;
  if (/^(\d+(\.\d+)?(ms|[smhd]))+$/.test(text)) {
    let sum = 0;
    for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])/g)) sum += Number(amount) * unitMs[unit!]!;
    return sum;
  }
  const time = /^\d{4}-\d\d-\d\d[Tt ]/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : Math.max(0, time - nowMs);
}

const one = (header: string | string[] | undefined): string | undefined => (Array.isArray(header) ? header[0] : header);

function numberOf(header: string | string[] | undefined): number | undefined {
  const text = one(header);
  return text !== undefined && /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) : undefined;
}
