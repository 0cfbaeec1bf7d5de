import { describe, expect, it } from "vitest";
import { type BatchState, moveBatch } from "../../src/job/batch.ts";

const states: readonly BatchState[] = ["open", "stopping", "ended"];
const legal = new Set(["open → stopping", "open → ended", "stopping → ended"]);

describe("the states of a batch", () => {
  for (const from of states) {
    for (const to of states) {
      const move = `${from} → ${to}`;
      if (legal.has(move)) {
        it(`allows ${move}`, () => {
          expect(moveBatch(from, to)).toBe(to);
        });
      } else {
        it(`refuses ${move}, naming both states`, () => {
          expect(() => moveBatch(from, to)).toThrow(`a batch cannot move from ${from} to ${to}`);
        });
      }
    }
  }
});
