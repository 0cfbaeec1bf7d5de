import { createReadStream, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Redis } from "ioredis";
import { expect } from "vitest";
import type { ResultLine } from "../../src/job/result.ts";
import { fleetNames } from "../../src/queue/names.ts";

/** The lines of a flat OUTPUT. */
export function readResults(outputPath: string): ResultLine[] {
  return readFileSync(outputPath, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as ResultLine);
}

/** Law 1: as many lines as rows, in input order, none lost, none double. Returns the lines. */
export function assertEachResultOnce(outputPath: string, inputCount: number): ResultLine[] {
  const text = readFileSync(outputPath, "utf8");
  expect(inputCount === 0 || text.endsWith("\n"), "the output ends with a whole line").toBe(true);
  const results = readResults(outputPath);
  expect(results.length, "lines in the output").toBe(inputCount);
  const misplaced = results.findIndex((result, line) => result.index !== line);
  expect(misplaced, "first line that is not at its row's place").toBe(-1);
  const ids = new Set(results.map(({ id }) => id));
  const doubles = results.filter(({ id, error }) => error?.code !== "invalid_row" && !ids.delete(id));
  expect(doubles, "ids that come twice").toEqual([]);
  return results;
}

/** The same for outputs of any size whose rows are `r0`, `r1`, … in that order: also that each was answered. */
export async function assertEachRowOnce(outputPath: string, inputCount: number): Promise<void> {
  let row = 0;
  for await (const line of createInterface({
    input: createReadStream(outputPath),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    const { id, index, status, error } = JSON.parse(line) as ResultLine;
    if (index !== row || id !== `r${row}` || status !== "answered") {
      const wanted = { line: row, id: `r${row}`, index: row, status: "answered", error: null };
      expect({ line: row, id, index, status, error }).toEqual(wanted);
    }
    row++;
  }
  expect(row, "lines in the output").toBe(inputCount);
}

/**
 * Rows of a tier that one process can be at when it is killed: calls in flight, and answers that are not yet recorded
 * while the next row has their slot. No kill may cost more repeated calls than this.
 */
export function unsettled(slots: number): number {
  return slots + Math.ceil(slots / 16);
}

const unfinishedLists = ["wait", "active", "paused"];
const unfinishedSets = ["delayed", "prioritized", "waiting-children"];

/** Law 6 after the end: nothing of a fleet's batches is left in Redis but what expires or what Bull Board shows. */
export async function assertNothingLeft(redis: Redis, fleet: string): Promise<void> {
  const names = fleetNames(fleet);
  const ours = await redis.keys(`${names.queuePrefix}/*`);
  const expected = new Set([names.tierDefinitions, names.protocol]);
  const staying: string[] = [];
  for (const key of ours) {
    if (!expected.has(key) && (await redis.ttl(key)) === -1) staying.push(key);
  }
  expect(staying, "keys that never expire").toEqual([]);
  const unfinished: string[] = [];
  for (const queue of await queuesOf(redis, names.queuePrefix)) {
    for (const list of unfinishedLists) {
      const count = await redis.llen(`${names.queuePrefix}:${queue}:${list}`);
      if (count > 0) unfinished.push(`${queue}: ${count} ${list}`);
    }
    for (const set of unfinishedSets) {
      const count = await redis.zcard(`${names.queuePrefix}:${queue}:${set}`);
      if (count > 0) unfinished.push(`${queue}: ${count} ${set}`);
    }
  }
  expect(unfinished, "jobs that are not finished").toEqual([]);
}

async function queuesOf(redis: Redis, prefix: string): Promise<string[]> {
  const metas = await redis.keys(`${prefix}:*:meta`);
  return metas.map((key) => key.slice(prefix.length + 1, -":meta".length));
}

/** A start as a server sees it: when, and what it costs of a limit. */
export interface CountedStart {
  readonly atMs: number;
  readonly cost: number;
}

/**
 * Law 3: no minute sees more than the limit, wherever it begins: 99 % of it at an even rate, and 1 % (or one row, which
 * can only be charged whole) at once. So of any other length of time, too.
 * @param lateMs by how much starts may have been delayed on their way to where they were counted.
 */
export function assertWindowNeverExceeds(
  starts: readonly CountedStart[],
  perMinute: number,
  windowMs = 60_000,
  lateMs = 0,
): void {
  const sorted = [...starts].sort((one, other) => one.atMs - other.atMs);
  const largest = sorted.reduce((most, { cost }) => Math.max(most, cost), 0);
  const allowed = (0.99 * perMinute * (windowMs + lateMs)) / 60_000 + Math.max(largest, perMinute / 100);
  let sum = 0;
  let first = 0;
  let worst = { sum: 0, fromMs: 0 };
  for (const { atMs, cost } of sorted) {
    sum += cost;
    while (sorted[first]!.atMs <= atMs - windowMs) sum -= sorted[first++]!.cost;
    if (sum > worst.sum) worst = { sum, fromMs: sorted[first]!.atMs };
  }
  expect(worst.sum, `charged within ${windowMs} ms from ${worst.fromMs} on`).toBeLessThanOrEqual(allowed + 1e-6);
}
