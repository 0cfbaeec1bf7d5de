import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createSegment, findSegments, readSegment, segmentPath } from "../../src/results/segments.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

/** A folder is looked at five times a second. */
const watchedEveryMs = 250;

async function readAll(path: string) {
  const all = [];
  for await (const one of readSegment(path)) all.push(one);
  return all;
}

describe("a segment", () => {
  it("gives back what was appended, in that order, with the offset of each line", async () => {
    const path = segmentPath(join(temporaryFolder(), "out.jsonl"), 1);
    const writer = await createSegment(path);
    const first = await writer.append([
      { row: 12, line: '{"id":"ä"}' },
      { row: 0, line: '{"id":"b\\t"}' },
    ]);
    const second = await writer.append([{ row: 1_000_000, line: "{}" }]);
    await writer.close();
    const read = await readAll(path);
    expect(read.map(({ row, line }) => [row, line])).toEqual([
      [12, '{"id":"ä"}'],
      [0, '{"id":"b\\t"}'],
      [1_000_000, "{}"],
    ]);
    expect(read.map(({ offset }) => offset)).toEqual([...first, ...second]);
    const bytes = readFileSync(path);
    expect(read.map(({ line, offset }) => bytes.toString("utf8", offset, offset + Buffer.byteLength(line)))).toEqual(
      read.map(({ line }) => line),
    );
  });

  it("begins with the batch that it is of, which is no line of it", async () => {
    const path = segmentPath(join(temporaryFolder(), "out.jsonl"), 1);
    const writer = await createSegment(path, "a1b2");
    const [offset] = await writer.append([{ row: 7, line: '{"id":"a"}' }]);
    await writer.close();
    expect(readFileSync(path, "utf8").split("\n")[0]).toBe("batch a1b2");
    expect(await readAll(path)).toEqual([{ row: 7, line: '{"id":"a"}', offset }]);
  });

  it("is written no further while its disk is gone, and from where it was when that is back", async () => {
    const [folder, away] = [join(temporaryFolder(), "disk"), join(temporaryFolder(), "away")];
    mkdirSync(folder);
    const path = segmentPath(join(folder, "out.jsonl"), 1);
    const writer = await createSegment(path);
    await writer.append([{ row: 1, line: "{}" }]);
    renameSync(folder, away);
    await setTimeout(watchedEveryMs);
    await expect(writer.append([{ row: 2, line: "{}" }])).rejects.toThrow(/the disk of .*disk is gone/);
    renameSync(away, folder);
    await setTimeout(watchedEveryMs);
    await writer.append([{ row: 3, line: "{}" }]);
    await writer.close();
    expect((await readAll(path)).map(({ row }) => row)).toEqual([1, 3]);
  });

  it.each([
    ["in the middle of a line", '9\t{"id":"to'],
    ["before the tab", "9"],
    ["before the line's end", '9\t{"id":"torn"}'],
  ])("drops a last line that a kill tore %s", async (_where, torn) => {
    const path = join(temporaryFolder(), "out.jsonl.part.1");
    writeFileSync(path, `0\t{"id":"a"}\n1\t{"id":"b"}\n${torn}`);
    expect((await readAll(path)).map(({ row }) => row)).toEqual([0, 1]);
  });

  it("skips lines that it cannot have written, and counts their bytes", async () => {
    const path = join(temporaryFolder(), "out.jsonl.part.1");
    writeFileSync(path, `0\t{}\nhello\n\n\t{}\nx\t{}\n1.5\t{}\n7\t{"id":"c"}\n`);
    const read = await readAll(path);
    expect(read.map(({ row }) => row)).toEqual([0, 7]);
    expect(readFileSync(path, "utf8").slice(read[1]?.offset)).toBe('{"id":"c"}\n');
  });

  it("reads lines that are longer than one read of the file", async () => {
    const path = segmentPath(join(temporaryFolder(), "out.jsonl"), 1);
    const writer = await createSegment(path);
    const long = JSON.stringify({ text: "é".repeat(1_500_000) });
    await writer.append([
      { row: 0, line: long },
      { row: 1, line: "{}" },
    ]);
    await writer.close();
    const read = await readAll(path);
    expect(read.map(({ row, line }) => [row, line.length])).toEqual([
      [0, long.length],
      [1, 2],
    ]);
  });

  it("never goes on in a segment that is there already", async () => {
    const path = join(temporaryFolder(), "out.jsonl.part.3");
    appendFileSync(path, "0\t{}\n");
    await expect(createSegment(path)).rejects.toThrow("EEXIST");
  });

  it("can be read by its owner alone", async () => {
    const path = segmentPath(join(temporaryFolder(), "out.jsonl"), 1);
    await (await createSegment(path)).close();
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });
});

describe("the segments of an output", () => {
  it("are found by rising epoch, without what only looks like one", () => {
    const folder = temporaryFolder();
    const output = join(folder, "out.jsonl");
    const names = ["out.jsonl.part.10", "out.jsonl.part.9", "out.jsonl.part.json", "out.jsonl.part.lock"];
    for (const name of [...names, "out.jsonl.part.x1", "out.jsonl", "other.jsonl.part.1"]) {
      writeFileSync(join(folder, name), "");
    }
    expect(findSegments(output)).toEqual([
      { epoch: 9, path: join(folder, "out.jsonl.part.9") },
      { epoch: 10, path: join(folder, "out.jsonl.part.10") },
    ]);
  });

  it("are none where there is no folder", () => {
    const missing = join(temporaryFolder(), "missing");
    expect(findSegments(join(missing, "out.jsonl"))).toEqual([]);
    expect(existsSync(missing)).toBe(false);
  });
});
