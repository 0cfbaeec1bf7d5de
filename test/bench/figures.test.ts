import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { median } from "../../scripts/bench/figures.ts";
import { measureProcess } from "../../scripts/bench/measure-process.ts";
import { summarise } from "../../scripts/bench/profile-summary.ts";
import { checkAnswers, writePrompts } from "../../scripts/bench/prompts.ts";
import { benchTable, withTable } from "../../scripts/bench/readme-table.ts";
import { readOptions } from "../../scripts/bench/run-alone.ts";

const circumstances = {
  date: new Date("2026-11-24"),
  machine: "2 cores",
  nodeVersion: "24.0.0",
  redisVersion: "7.0.15",
};

async function inTemporaryDirectory(action: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "pf-bench-test-"));
  try {
    await action(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe("the README's table", () => {
  test("is replaced between its marks and nowhere else", () => {
    const readme = "# A\n<!-- bench:start -->\nold\n<!-- bench:end -->\nrest\n";
    expect(withTable(readme, "new")).toBe("# A\n<!-- bench:start -->\nnew\n<!-- bench:end -->\nrest\n");
  });

  test("is not written into a README without its marks", () => {
    expect(withTable("# A\n", "new")).toBeUndefined();
  });

  test("says that the server is simulated, on what it was measured, and which goals were missed", () => {
    const table = benchTable(
      [
        { what: "speed", figure: "1.90 ×", goal: "≥ 2.0 ×", met: false },
        { what: "memory", figure: "1.00 ×", goal: "≤ 1.25 ×", met: true },
      ],
      circumstances,
    );
    expect(table).toMatch(/2026-11-24 .*simulated server.*2 cores, Node 24\.0\.0, Redis 7\.0\.15/);
    expect(table).toContain("| speed | 1.90 × (goal ≥ 2.0 ×: missed) |");
    expect(table).toContain("| memory | 1.00 × (goal ≤ 1.25 ×) |");
  });
});

describe("the median", () => {
  test("is the middle value, or the mean of the two in the middle", () => {
    expect(median([9, 1, 2])).toBe(2);
    expect(median([10, 1, 2, 4])).toBe(3);
  });
});

describe("a benchmark's options", () => {
  test("replace the defaults, as numbers where these are numbers", () => {
    expect(readOptions({ rows: 20, program: "a" }, ["--rows", "7", "--program", "b"])).toEqual({
      rows: 7,
      program: "b",
    });
  });

  test("are refused when a number is none", () => {
    expect(() => readOptions({ rows: 20 }, ["--rows", "many"])).toThrow("--rows: expected a number above 0");
  });
});

describe("a measured process", () => {
  test("tells the CPU time and peak memory of its whole life", async () => {
    await inTemporaryDirectory(async (directory) => {
      const program = join(directory, "busy.mjs");
      const source = "while (process.cpuUsage().user < 150_000); console.log('done')";
      writeFileSync(program, source);
      const measure = await measureProcess({ directory, args: [program] });
      expect(measure.stdout).toBe("done\n");
      expect(measure.cpuMs).toBeGreaterThan(150);
      expect(measure.wallMs).toBeGreaterThan(150);
      expect(measure.peakRssMb).toBeGreaterThan(20);
    });
  });

  test("that fails is an error with what it said", async () => {
    await inTemporaryDirectory(async (directory) => {
      const program = join(directory, "broken.mjs");
      writeFileSync(program, "console.error('no such thing'); process.exit(3)");
      await expect(measureProcess({ directory, args: [program] })).rejects.toThrow(/exited with 3:\nno such thing/);
    });
  });
});

describe("the prompts", () => {
  test("are one KB each, and their answers are counted", async () => {
    await inTemporaryDirectory(async (directory) => {
      const path = join(directory, "prompts.jsonl");
      await writePrompts(path, 3);
      await expect(checkAnswers(path, 3)).rejects.toThrow("expected 3 answers");
      const answers = ["r0", "r1", "r2"].map((key) => `{"text":"answer to ${key}"}\n`).join("");
      writeFileSync(path, answers);
      await checkAnswers(path, 3);
    });
  });
});

describe("a profile's summary", () => {
  test("counts Node's own and native code for the module that called it", () => {
    const frame = (functionName: string, url: string) => ({ functionName, url, lineNumber: 0 });
    const summary = summarise({
      nodes: [
        { id: 1, callFrame: frame("(root)", ""), children: [2, 3, 6] },
        { id: 2, callFrame: frame("(idle)", "") },
        { id: 3, callFrame: frame("flush", "file:///x/node_modules/ioredis/built/Redis.js"), children: [4] },
        { id: 4, callFrame: frame("write", "node:net"), children: [5] },
        { id: 5, callFrame: frame("writev", "") },
        { id: 6, callFrame: frame("run", "file:///x/dist/src/pool/execute-job.js") },
      ],
      samples: [2, 3, 4, 5, 6],
      timeDeltas: [100, 10, 20, 30, 5],
    });
    expect([summary.busyUs, summary.idleUs]).toEqual([65, 100]);
    expect(summary.modules).toContainEqual({ module: "ioredis", selfUs: 10, totalUs: 60 });
    expect(summary.modules).toContainEqual({ module: "node", selfUs: 20, totalUs: 0 });
    expect(summary.modules).toContainEqual({ module: "src/pool", selfUs: 5, totalUs: 5 });
    expect(summary.functions[0]).toEqual({ name: "writev", selfUs: 30 });
  });
});
