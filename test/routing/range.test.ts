import { describe, expect, it } from "vitest";
import { addApart, addTogether, exactly, latest, totalByRatio, totalBySample } from "../../src/routing/range.ts";
import { seededRandom } from "../support/simulated-answers.ts";

describe("sums of what is not known", () => {
  const one = { low: 7, likely: 10, high: 14 };

  it("adds the errors of guesses, and lets errors that were measured apart cancel out in part", () => {
    expect(addTogether([one, one])).toEqual({ low: 14, likely: 20, high: 28 });
    const apart = addApart([one, one]);
    expect(apart.likely).toBe(20);
    expect(apart.low).toBeCloseTo(20 - 3 * Math.SQRT2);
    expect(apart.high).toBeCloseTo(20 + 4 * Math.SQRT2);
    expect(addApart([])).toEqual(exactly(0));
  });

  it("is as late as the latest", () => {
    expect(latest([one, { low: 8, likely: 9, high: 20 }])).toEqual({ low: 8, likely: 10, high: 20 });
  });

  it("says nothing by one or two answers", () => {
    expect(totalBySample([5, 6], 100)).toBeUndefined();
    expect(totalByRatio([{ estimated: 5, real: 6 }], 500, 100)).toBeUndefined();
  });

  it("is sure where all of a sample were alike", () => {
    expect(totalBySample([40, 40, 40], 10)).toEqual({ low: 400, likely: 400, high: 400 });
    const doubled = [1, 2, 3].map((estimated) => ({ estimated, real: 2 * estimated }));
    expect(totalByRatio(doubled, 50, 10)).toEqual({ low: 100, likely: 100, high: 100 });
  });
});

/** Lengths of answers as they occur: all alike with noise, a few very long ones, and two kinds mixed. */
const workloads: Readonly<Record<string, (random: () => number) => number>> = {
  "labels of a few tokens": (random) => 3 + Math.floor(random() * 5),
  "texts with a long tail (lognormal, σ 0.8)": (random) => Math.exp(5 + 0.8 * normal(random)),
  "short answers and long ones": (random) => (random() < 0.4 ? 400 + 100 * normal(random) : 20 + 3 * normal(random)),
};

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

const trials = 400;

describe("by a sample of twenty", () => {
  for (const [name, draw] of Object.entries(workloads)) {
    it(`the total of a thousand ${name} lies in its range about nine times out of ten, and the range is of use`, () => {
      const random = seededRandom(7);
      let inside = 0;
      let width = 0;
      for (let trial = 0; trial < trials; trial++) {
        const sample = Array.from({ length: 20 }, () => draw(random));
        const total = Array.from({ length: 1_000 }, () => draw(random)).reduce((sum, value) => sum + value, 0);
        const range = totalBySample(sample, 1_000)!;
        if (range.low <= total && total <= range.high) inside++;
        width += (range.high - range.low) / total / trials;
      }
      expect(inside / trials).toBeGreaterThan(0.89);
      expect(inside / trials).toBeLessThan(0.995);
      expect(width).toBeLessThan(1.2);
    });
  }
});
