import { describe, expect, it } from "vitest";
import { shareOf } from "../../src/pool/membership.ts";

const members = (count: number) => Array.from({ length: count }, (_, number) => `process-${number}`);

describe("a process' share of a tier's slots", () => {
  it("is all of them when it works the tier alone, or before its first beat", () => {
    expect(shareOf("a", ["a"], 64)).toBe(64);
    expect(shareOf("a", [], 64)).toBe(64);
    expect(shareOf("a", ["b", "c"], 64)).toBe(64);
  });

  it.each([
    [2, 64],
    [3, 64],
    [7, 5],
    [5, 1],
    [4, 0],
  ])("is even and adds up: %i processes, %i slots", (count, slots) => {
    const all = members(count);
    const shares = all.map((process) => shareOf(process, all, slots));
    expect(shares.reduce((sum, share) => sum + share)).toBe(slots);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
  });

  it("may be nothing when there are more processes than slots", () => {
    expect(members(3).map((process) => shareOf(process, members(3), 1))).toEqual([1, 0, 0]);
  });
});
