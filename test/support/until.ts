import { setTimeout as turn } from "node:timers/promises";

/**
 * Waits for a condition, looking at it every few milliseconds; returns its value once that is truthy.
 * @throws when it has not come true in time; the message names `what`.
 */
export async function until<Value>(
  what: string,
  condition: () => Value | Promise<Value>,
  timeoutMs = 15_000,
): Promise<NonNullable<Value>> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for: ${what}`);
    await turn(5);
  }
}
