import { expect, it } from "vitest";
import { chooseSample } from "../../src/routing/choose-sample.ts";

const rows = Array.from({ length: 103 }, (_, at) => at * 3);

it("takes one row of each part, the same ones by the same seed", () => {
  const chosen = [...chooseSample(rows, 10, "a1b2c3d4e5")];
  expect(chosen.length).toBe(10);
  expect(chosen.map((row) => Math.floor((row / 3 / 103) * 10 + 1e-9))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect([...chooseSample(rows, 10, "a1b2c3d4e5")]).toEqual(chosen);
  expect([...chooseSample(rows, 10, "ffffffff")]).not.toEqual(chosen);
});

it("takes all rows when there are no more", () => {
  expect(chooseSample(rows, 103, "00")).toEqual(new Set(rows));
  expect(chooseSample([], 5, "00").size).toBe(0);
});

it("prefers no place within a part", () => {
  const sums = Array.from({ length: 10 }, () => 0);
  for (let seed = 1; seed <= 2_000; seed++) {
    const [row] = chooseSample([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 1, (seed * 1_000_003).toString(16).padStart(8, "0"));
    sums[row!]!++;
  }
  expect(Math.min(...sums)).toBeGreaterThan(130);
});
