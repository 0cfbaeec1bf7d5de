import { describe, expect, it } from "vitest";
import { createIdSet } from "../../src/job/id-set.ts";

describe("the set of ids", () => {
  it("says of each id whether it is new", () => {
    const ids = createIdSet();
    expect(ids.add("a")).toBe(true);
    expect(ids.add("b")).toBe(true);
    expect(ids.add("a")).toBe(false);
    expect(ids.add("")).toBe(true);
    expect(ids.add("")).toBe(false);
  });

  it("takes no two of 300,000 similar ids for one another, and knows each again after it has grown", () => {
    const ids = createIdSet();
    let taken = 0;
    for (let row = 0; row < 300_000; row++) if (ids.add(`row-${row}`)) taken++;
    expect(taken).toBe(300_000);
    let forgotten = 0;
    for (let row = 0; row < 300_000; row += 7) if (ids.add(`row-${row}`)) forgotten++;
    expect(forgotten).toBe(0);
  });

  it("tells ids apart that differ only in their order, their end or beyond the ASCII range", () => {
    const ids = createIdSet();
    const different = [
      "ab",
      "ba",
      "a",
      "a ",
      "\u00e4",
      "a\u0308",
      "行1",
      "行2",
      "x".repeat(10_000),
      "x".repeat(10_001),
    ];
    expect(different.map((id) => ids.add(id))).toEqual(different.map(() => true));
  });
});
