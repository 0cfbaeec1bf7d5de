import type { Headers } from "./response.ts";

/** The longest wait that a timer of Node can count. */
const longestWaitMs = 2_147_483_647;

/**
 * How long the backend asks to wait, in ms: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date. However
 * long it is, it is meant; what is negative, past or no time at all says nothing.
 */
export function retryAfterMs(headers: Headers, nowMs: number = Date.now()): number | undefined {
  const milliseconds = asNumber(one(headers["retry-after-ms"]));
  if (milliseconds !== undefined) return bounded(milliseconds);
  const text = one(headers["retry-after"]);
  const seconds = asNumber(text);
  if (seconds !== undefined) return bounded(seconds * 1_000);
  // A negative number would be read as a date by Date.parse.
  if (text === undefined || !/[a-z]/i.test(text)) return undefined;
  return bounded(Date.parse(text) - nowMs);
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function asNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) : undefined;
}

function bounded(waitMs: number): number | undefined {
  return waitMs >= 0 ? Math.min(Math.ceil(waitMs), longestWaitMs) : undefined;
}
