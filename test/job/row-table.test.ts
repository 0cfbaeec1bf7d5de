import { describe, expect, it } from "vitest";
import { createRowTable } from "../../src/job/row-table.ts";

describe("the table of rows", () => {
  it("knows nothing of a row that was never named", () => {
    const table = createRowTable();
    expect(table.stateOf(0)).toBe("unseen");
    expect(table.stateOf(1_000_000)).toBe("unseen");
    expect(table.length).toBe(0);
  });

  it("keeps where a row lies in the input while it is parked and while it is fed", () => {
    const table = createRowTable();
    table.park(3, 5_000_000_000, 2);
    expect(table.stateOf(3)).toBe("parked");
    expect(table.inputOffsetOf(3)).toBe(5_000_000_000);
    expect(table.tierOf(3)).toBe(2);
    table.feed(3, 5_000_000_000, 4);
    expect(table.stateOf(3)).toBe("fed");
    expect(table.inputOffsetOf(3)).toBe(5_000_000_000);
    expect(table.tierOf(3)).toBe(4);
  });

  it("keeps where a result lies once it is stored, and counts it", () => {
    const table = createRowTable();
    table.feed(7, 70, 1);
    table.store(7, 300, 6_000_000_000);
    expect(table.stateOf(7)).toBe("stored");
    expect(table.storedAt(7)).toEqual({ segment: 300, offset: 6_000_000_000 });
    expect(table.storedCount).toBe(1);
    expect(table.length).toBe(8);
  });

  it("never lets a stored row move again", () => {
    const table = createRowTable();
    table.store(0, 0, 0);
    expect(() => table.park(0, 0, 0)).toThrow("row 0 is stored");
    expect(() => table.feed(0, 0, 0)).toThrow("row 0 is stored");
    expect(() => table.store(0, 1, 1)).toThrow("row 0 is stored");
    expect(table.storedCount).toBe(1);
  });

  it("holds rows that lie far apart, on both sides of its chunks' borders", () => {
    const table = createRowTable();
    const rows = [0, 65_535, 65_536, 131_071, 131_072, 400_000];
    for (const row of rows) table.feed(row, row * 10, 1);
    expect(rows.map((row) => table.inputOffsetOf(row))).toEqual(rows.map((row) => row * 10));
    expect(table.stateOf(65_534)).toBe("unseen");
    expect(table.stateOf(300_000)).toBe("unseen");
    expect(table.length).toBe(400_001);
  });

  it("gives the stored rows as a bitmap, first row in the highest bit", () => {
    const table = createRowTable();
    for (const row of [0, 7, 8, 18]) table.store(row, 0, row);
    table.feed(9, 0, 0);
    table.park(19, 0, 0);
    expect([...table.storedBitmap()]).toEqual([0b10000001, 0b10000000, 0b00100000]);
  });

  it("gives an empty bitmap before the first row", () => {
    expect(createRowTable().storedBitmap().length).toBe(0);
  });
});
