import { describe, expect, it, onTestFinished } from "vitest";
import { createRowTable } from "../../src/job/row-table.ts";
import { createFeeder } from "../../src/queue/feed.ts";
import type { RowToPlace } from "../../src/queue/place-rows.ts";
import type { PreparedLine } from "../../src/queue/prepared-ahead.ts";
import { rowToPlace } from "../support/given-batch.ts";
import { until } from "../support/until.ts";

interface Given {
  /** Tier of each row of the input, or "invalid". */
  readonly tiers: readonly string[];
  readonly payload?: string;
  readonly possibleTiers?: number;
  readonly placedBefore?: readonly number[];
}

/** A feeder on an input in memory, that notes what it places. */
function startFeeder({ tiers, payload = "{}", possibleTiers = 2, placedBefore = [] }: Given) {
  const table = createRowTable();
  const placed: RowToPlace[] = [];
  const failed: number[] = [];
  let linesRead = 0;
  const prepare = (row: number): PreparedLine =>
    tiers[row] === "invalid"
      ? { kind: "failed", line: "{}" }
      : { kind: "row", row: { ...rowToPlace(row), tiers: [tiers[row]!], payload } };
  const lineOf = (index: number) => ({ index, offset: index, bytes: Buffer.alloc(0) });
  const feeder = createFeeder({
    async *lines() {
      for (let start = 0; start < tiers.length; start += 100) {
        const lines = tiers.slice(start, start + 100).map((_tier, at) => lineOf(start + at));
        linesRead += lines.length;
        yield lines;
      }
    },
    readLineAt: () => Buffer.alloc(0),
    table,
    prepare: ({ index }) => prepare(index),
    async place(rows) {
      placed.push(...rows);
    },
    fail: (row) => failed.push(row),
    placedBefore: new Set(placedBefore),
    possibleTiers,
    concurrencyOf: () => 16,
    onScanned: () => {},
  });
  const running = feeder.run();
  running.catch(() => {});
  onTestFinished(() => feeder.stop());
  return {
    feeder,
    table,
    placed,
    failed,
    running,
    linesRead: () => linesRead,
    placedRows: () => placed.map(({ row }) => row),
    store(row: number) {
      feeder.stored(row);
      table.store(row, 0, 0);
    },
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at);
const repeat = (tier: string, count: number) => Array.from({ length: count }, () => tier);

describe("the feeder", () => {
  it("feeds a short input at once and knows that it has seen all of it", async () => {
    const { feeder, placedRows } = startFeeder({ tiers: repeat("a", 10) });
    await until("all to be placed", () => placedRows().length === 10);
    expect(placedRows()).toEqual(range(0, 10));
    await until("the end of the input", () => feeder.scannedAll);
  });

  it("keeps at most the tier's window in Redis and goes on as results are stored, in input order", async () => {
    const { placedRows, store } = startFeeder({ tiers: repeat("a", 500), possibleTiers: 1 });
    await until("a full window", () => placedRows().length === 64);
    store(0);
    await until("the next row", () => placedRows().length === 65);
    expect(placedRows()).toEqual(range(0, 65));
  });

  it("goes on before any result when it is told that a tier is fast", async () => {
    const { feeder, placedRows } = startFeeder({ tiers: repeat("a", 500), possibleTiers: 1 });
    await until("a full window", () => placedRows().length === 64);
    feeder.windows.noteLatency("a", 10);
    feeder.lookForRoom();
    await until("the rest", () => placedRows().length === 500);
  });

  it("looks past the rows of a full tier for those of another", async () => {
    const { placedRows } = startFeeder({ tiers: [...repeat("dead", 1_000), ...repeat("healthy", 10)] });
    await until("the other tier's rows", () => placedRows().length === 64 + 10);
    expect(placedRows()).toEqual([...range(0, 64), ...range(1_000, 1_010)]);
  });

  it("does not read on when every tier that rows can go to is full", async () => {
    const { placedRows, linesRead, store } = startFeeder({ tiers: repeat("a", 5_000), possibleTiers: 1 });
    await until("a full window", () => placedRows().length === 64);
    store(0);
    await until("the next row", () => placedRows().length === 65);
    expect(linesRead()).toBeLessThanOrEqual(200);
  });

  it("holds a window's payloads below four fifths of 64 MB, yet always one row", async () => {
    const { placedRows, store } = startFeeder({ tiers: repeat("a", 10), payload: "x".repeat(30 * 1024 * 1024) });
    await until("rows for four fifths of 64 MB", () => placedRows().length === 2);
    store(0);
    await until("the next row", () => placedRows().length === 3);
    expect(placedRows()).toEqual([0, 1, 2]);
  });

  it("records rows that cannot be asked without a job, and no more at once than Redis should hold", async () => {
    const { failed, placed, store } = startFeeder({ tiers: repeat("invalid", 5_000) });
    await until("a full window of records", () => failed.length === 2_000);
    for (let row = 0; row < 5_000; row++) {
      await until(`row ${row}`, () => failed.length > row);
      store(row);
    }
    expect(failed).toEqual(range(0, 5_000));
    expect(placed).toEqual([]);
  });

  it("says of a row that an earlier owner may have placed it, once", async () => {
    const { feeder, placed } = startFeeder({ tiers: repeat("a", 4), placedBefore: [2] });
    await until("all to be placed", () => placed.length === 4);
    expect(placed.map(({ again }) => again)).toEqual([false, false, true, false]);
    feeder.feedAgain([1]);
    await until("one to be placed again", () => placed.length === 5);
    expect([placed[4]?.row, placed[4]?.again]).toEqual([1, true]);
  });

  it("feeds again only rows that have no result", async () => {
    const { feeder, placed, store } = startFeeder({ tiers: repeat("a", 4) });
    await until("all to be placed", () => placed.length === 4);
    store(1);
    feeder.feedAgain([1, 3]);
    await until("one to be placed again", () => placed.length === 5);
    expect(placed[4]?.row).toBe(3);
  });

  it("goes on when the result of a row comes that it is about to feed again", async () => {
    const { feeder, placedRows, store, running } = startFeeder({ tiers: repeat("a", 200), possibleTiers: 1 });
    await until("a full window", () => placedRows().length === 64);
    feeder.feedAgain(range(0, 64));
    for (const row of range(0, 64)) store(row);
    await until("the rows after them", () => placedRows().length === 128);
    expect(placedRows().slice(64)).toEqual(range(64, 128));
    feeder.stop();
    await running;
  });

  it("passes on what placing says is wrong", async () => {
    const feeder = createFeeder({
      async *lines() {
        yield [{ index: 0, offset: 0, bytes: Buffer.alloc(0) }];
      },
      readLineAt: () => Buffer.alloc(0),
      table: createRowTable(),
      prepare: () => ({ kind: "row", row: rowToPlace(0) }),
      place: () => Promise.reject(new Error("another owner")),
      fail: () => {},
      placedBefore: new Set(),
      possibleTiers: 1,
      concurrencyOf: () => 16,
      onScanned: () => {},
    });
    await expect(feeder.run()).rejects.toThrow("another owner");
  });
});
