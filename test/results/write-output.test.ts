import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ResultLine } from "../../src/job/result.ts";
import { createRowTable } from "../../src/job/row-table.ts";
import { createSegment, segmentPath } from "../../src/results/segments.ts";
import { writeInInputOrder } from "../../src/results/write-output.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** Segments that hold these rows in this order, and the table that knows where. */
async function givenSegments(segments: readonly (readonly number[])[], lineOf: (row: number) => string) {
  const output = join(temporaryFolder(), "out.jsonl");
  const table = createRowTable();
  const paths: string[] = [];
  for (const [number, rows] of segments.entries()) {
    const writer = await createSegment(segmentPath(output, number + 1));
    const offsets = await writer.append(rows.map((row) => ({ row, line: lineOf(row) })));
    rows.forEach((row, at) => {
      table.store(row, number, offsets[at]!);
    });
    await writer.close();
    paths.push(writer.path);
  }
  return { table, paths };
}

function sink() {
  const lines: string[] = [];
  return { lines, write: (line: string) => void lines.push(line) };
}

describe("the final assembly", () => {
  it("writes rows in input order that lie in completion order in several segments", async () => {
    const { table, paths } = await givenSegments([[4, 0, 2], [], [3, 1]], (row) => `{"index":${row}}`);
    const out = sink();
    await writeInInputOrder(table, 5, paths, undefined, out);
    expect(out.lines).toEqual([0, 1, 2, 3, 4].map((row) => `{"index":${row}}`));
  });

  it("keeps lines whole that cross the blocks it reads, or are longer than several of them", async () => {
    const lineOf = (row: number) => JSON.stringify({ index: row, text: "ü".repeat(row % 50 === 0 ? 400_000 : 3_000) });
    const order = Array.from({ length: 200 }, (_, at) => (at * 37) % 200);
    const { table, paths } = await givenSegments([order], lineOf);
    const out = sink();
    await writeInInputOrder(table, 200, paths, undefined, out);
    expect(out.lines.findIndex((line, row) => line !== lineOf(row))).toBe(-1);
    expect(out.lines.length).toBe(200);
  });

  it("gives each stored result to the formatter", async () => {
    const { table, paths } = await givenSegments([[1, 0]], (row) => JSON.stringify({ id: `r${row}` }));
    const out = sink();
    await writeInInputOrder(table, 2, paths, (result: ResultLine) => `<${result.id}>`, out);
    expect(out.lines).toEqual(["<r0>", "<r1>"]);
  });

  it("lets other work run in between", async () => {
    const { table, paths } = await givenSegments([Array.from({ length: 5_000 }, (_, row) => row)], () => "{}");
    let turns = 0;
    let done = false;
    const countTurns = () => {
      turns++;
      if (!done) setImmediate(countTurns);
    };
    setImmediate(countTurns);
    await writeInInputOrder(table, 5_000, paths, undefined, sink());
    done = true;
    expect(turns).toBeGreaterThan(2);
  });

  it("waits for a sink that is slow", async () => {
    const { table, paths } = await givenSegments([[0, 1, 2]], () => "{}");
    let writing = 0;
    let most = 0;
    await writeInInputOrder(table, 3, paths, undefined, {
      async write() {
        most = Math.max(most, ++writing);
        await new Promise(setImmediate);
        writing--;
      },
    });
    expect(most).toBe(1);
  });

  it("says which file ends too early when a segment was cut behind its back", async () => {
    const { table, paths } = await givenSegments([[0]], () => "{}");
    const missing = createRowTable();
    missing.store(0, 0, 1_000_000);
    expect(table.length).toBe(1);
    await expect(writeInInputOrder(missing, 1, paths, undefined, sink())).rejects.toThrow("ends in the middle");
  });
});
