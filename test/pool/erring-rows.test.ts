import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createErringRows } from "../../src/pool/erring-rows.ts";

describe("an error of a row", () => {
  beforeEach(() => void vi.useFakeTimers({ now: 0 }));
  afterEach(() => void vi.useRealTimers());

  /** What is known after one of a row's calls, which began and ended at these counts of answers, has erred. */
  function givenErrors() {
    const rows = createErringRows();
    return {
      forget: rows.forget,
      erred(rowKey: string, answeredCountAtStart: number, answeredCount: number, atMs: number) {
        vi.advanceTimersByTime(atMs - performance.now());
        const outcome = { kind: "server-error", message: "500" } as const;
        return rows.historyOf(rowKey, { outcome, latencyMs: 1, answeredCount, answeredCountAtStart }, 0, false);
      },
    };
  }

  it("is held to be its own when others were answered since it first erred, however long ago", () => {
    const { erred } = givenErrors();
    expect(erred("r7", 100, 100, 0)).toMatchObject({ othersAnswered: false, erringCalls: 1 });
    expect(erred("r7", 100, 101, 1_000)).toMatchObject({ othersAnswered: true, erringCalls: 2 });
    expect(erred("r7", 101, 101, 60_000)).toMatchObject({ othersAnswered: true, erringForMs: 60_000 });
  });

  it("is held to be its own when others were answered beside it, though it is the last of the run", () => {
    const { erred } = givenErrors();
    expect(erred("last", 90, 99, 0).othersAnswered).toBe(true);
    expect(erred("last", 99, 99, 1_000).othersAnswered).toBe(true);
  });

  it("is not when the backend answers nobody any more, though it still did while the row was first asked", () => {
    const { erred } = givenErrors();
    erred("in flight", 90, 99, 0);
    // Asked after the last answer, and it errs too.
    expect(erred("next", 99, 99, 10).othersAnswered).toBe(false);
    for (let call = 1; call < 20; call++) {
      expect(erred("in flight", 99, 99, call * 15_000).othersAnswered).toBe(false);
      expect(erred("next", 99, 99, call * 15_000 + 10).othersAnswered).toBe(false);
    }
  });

  it("is nobody else's: alone is who has no other row erring beside it within three minutes", () => {
    const { erred, forget } = givenErrors();
    expect(erred("r1", 5, 5, 0).isOnlyOneErring).toBe(true);
    expect(erred("r2", 5, 5, 1).isOnlyOneErring).toBe(false);
    expect(erred("r1", 5, 5, 190_000).isOnlyOneErring).toBe(true);
    erred("r3", 5, 5, 190_001);
    forget("r3");
    expect(erred("r1", 5, 5, 190_002).isOnlyOneErring).toBe(true);
  });
});
