import { describe, expect, it } from "vitest";
import { createWindows } from "../../src/queue/window.ts";

/** A window of four slots, filled until it has no more room; the rows that it took. */
function fill(windows: ReturnType<typeof createWindows>): number {
  const window = windows.of("tier");
  for (let row = 0; ; row++) {
    if (!window.hasRoom()) return row;
    window.enter(row, 1, ["tier"]);
  }
}

describe("the window of a tier", () => {
  it("holds one row a job until a call has said how fast the tier is", () => {
    const windows = createWindows(() => 4);
    windows.of("tier");
    expect(windows.rowsPerJob("tier")).toBe(1);
    windows.noteLatency("tier", 20);
    expect(windows.rowsPerJob("tier")).toBe(12);
  });

  it.each([
    [0, 32],
    [1, 32],
    [100, 2],
    [251, 1],
    [60_000, 1],
  ])("holds in a job what keeps a slot busy for a quarter of a second: calls of %s ms", (latencyMs, rows) => {
    const windows = createWindows(() => 4);
    windows.of("tier");
    windows.noteLatency("tier", latencyMs);
    expect(windows.rowsPerJob("tier")).toBe(rows);
  });

  it("follows a tier that becomes slow", () => {
    const windows = createWindows(() => 4);
    windows.of("tier");
    for (const latencyMs of [5, ...Array<number>(20).fill(2_000)]) windows.noteLatency("tier", latencyMs);
    expect(windows.rowsPerJob("tier")).toBe(1);
  });

  it("has room for a second of the work that its slots can do at that latency, within its bounds", () => {
    const unknown = createWindows(() => 4);
    expect(fill(unknown)).toBe(64);
    expect(fill(createWindows(() => 400))).toBe(500);
    const fast = createWindows(() => 4);
    fast.of("tier");
    fast.noteLatency("tier", 10);
    expect(fill(fast)).toBe(400);
    const fastest = createWindows(() => 64);
    fastest.of("tier");
    fastest.noteLatency("tier", 1);
    expect(fill(fastest)).toBe(4_000);
  });
});

it("is filled again with whole jobs once it was full, and row by row where each has a job of its own", () => {
  const given = (latencyMs: number) => {
    const windows = createWindows(() => 64);
    const window = windows.of("tier");
    windows.noteLatency("tier", latencyMs);
    fill(windows);
    const hasRoomAfter = (rows: number) => {
      for (const row of [...windows.fedRows().keys()].slice(0, rows)) windows.leave(row);
      return window.hasRoom();
    };
    return { windows, hasRoomAfter };
  };
  const fast = given(5);
  expect(fast.windows.rowsPerJob("tier")).toBe(32);
  expect([fast.hasRoomAfter(1), fast.hasRoomAfter(255), fast.hasRoomAfter(1)]).toEqual([false, false, true]);
  expect(fill(fast.windows)).toBe(257);
  expect(given(1_000).hasRoomAfter(1)).toBe(true);
});

it("counts a row that three models are asked as the three calls that it is", () => {
  const windows = createWindows(() => 100);
  const window = windows.of("tier", "votes");
  let rows = 0;
  while (window.hasRoom()) window.enter(rows++, 1, ["tier"], 3);
  expect([rows, window.rows]).toEqual([42, 126]);
  for (let row = 0; row < rows; row++) windows.leave(row);
  expect(window.rows).toBe(0);
});

it("leaves room for rows of other tiers, however large those of one that is down", () => {
  const windows = createWindows(() => 100);
  const imageBytes = 1024 ** 2;
  const fillWith = (tier: string, from: number): number => {
    const window = windows.of(tier);
    let rows = 0;
    while (window.hasRoom()) window.enter(from + rows++, imageBytes, [tier]);
    return rows;
  };
  expect(fillWith("down", 0)).toBe(52);
  expect(fillWith("fine", 1_000)).toBe(10);
  for (let row = 0; row < 52; row++) windows.leave(row);
  expect(fillWith("fine", 2_000)).toBe(42);
});
