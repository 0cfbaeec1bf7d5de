import { describe, expect, it } from "vitest";
import { coalesce } from "../../src/queue/coalesce.ts";

describe("gathering what is asked in one turn", () => {
  it("makes one call of it for each batch, and gives each its own answer", async () => {
    const calls: [string, readonly number[]][] = [];
    const ask = coalesce<number, number>(
      async (batchId, items) => {
        calls.push([batchId, items]);
        return items.map((item) => item * 10);
      },
      () => {},
    );
    const answers = await Promise.all([ask("a", 1), ask("b", 2), ask("a", 3)]);
    expect(answers).toEqual([10, 20, 30]);
    expect(calls).toEqual([
      ["a", [1, 3]],
      ["b", [2]],
    ]);
  });

  it("makes calls of at most 256 rows", async () => {
    const sizes: number[] = [];
    const ask = coalesce<number, number>(
      async (_batchId, items) => {
        sizes.push(items.length);
        return items;
      },
      () => {},
    );
    const answers = await Promise.all(Array.from({ length: 600 }, (_, item) => ask("a", item)));
    expect(answers).toEqual(Array.from({ length: 600 }, (_, item) => item));
    expect(sizes).toEqual([256, 256, 88]);
  });

  it.each([
    "LOADING Redis is loading the dataset in memory",
    "MISCONF Redis is configured to save RDB snapshots",
    "READONLY You can't write against a read only replica.",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "Connection is closed.",
  ])("holds what is asked and asks again until it passes: %s", async (refusal) => {
    const troubles: (string | undefined)[] = [];
    let refusals = 2;
    const ask = coalesce<number, number>(
      async (_batchId, items) => {
        if (refusals-- > 0) throw new Error(refusal);
        return items;
      },
      (reason) => troubles.push(reason),
    );
    expect(await Promise.all([ask("a", 1), ask("a", 2)])).toEqual([1, 2]);
    expect(troubles).toEqual([refusal, refusal, undefined]);
  });

  it("does not ask again what a script itself says is wrong", async () => {
    const ask = coalesce<number, number>(
      async () => {
        throw new Error("ERR user_script:12: attempt to index a nil value script: 1234, on @user_script:12.");
      },
      () => {},
    );
    await expect(ask("a", 1)).rejects.toThrow("user_script");
  });
});
