import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { longestLineBytes } from "../../src/intake/line-file.ts";
import { failureOf, givenFolder, linesOf, opened, openedFile, rowsOf, textsOf } from "./given-input.ts";

test("reads lines with and without a last line end, in order, with their offsets", async () => {
  for (const end of ["", "\n"]) {
    const input = await openedFile("rows.jsonl", `{"a":1}\n{"b":22}\n{"c":3}${end}`);
    const lines = await linesOf(input);
    expect(lines.map((line) => [line.index, line.offset, line.bytes.toString()])).toEqual([
      [0, 0, '{"a":1}'],
      [1, 8, '{"b":22}'],
      [2, 17, '{"c":3}'],
    ]);
  }
});

test("strips a byte order mark at the start and CRLF line ends", async () => {
  const input = await openedFile("rows.jsonl", '\ufeff{"a":1}\r\n{"b":2}\r\n');
  const lines = await linesOf(input);
  expect(lines.map(({ bytes }) => bytes.toString())).toEqual(['{"a":1}', '{"b":2}']);
  expect(lines.map(({ offset }) => input.readLineAt(offset).toString())).toEqual(['{"a":1}', '{"b":2}']);
});

test("skips blank lines but counts them in line numbers, as an editor does", async () => {
  const input = await openedFile("rows.jsonl", '\n{"a":1}\n  \t\r\n\n{"b":2}\n{"c":3}\n\n');
  const lines = await linesOf(input);
  expect(lines.map(({ index }) => input.lineNumberOf(index))).toEqual([2, 5, 6]);
  await linesOf(input);
  expect(lines.map(({ index }) => input.lineNumberOf(index))).toEqual([2, 5, 6]);
});

test("an empty file and one of blank lines have no rows", async () => {
  for (const content of ["", "\n\n \n", "\ufeff"]) {
    expect(await linesOf(await openedFile("rows.jsonl", content))).toEqual([]);
  }
});

test("lines come out whole whatever chunk borders they cross, and can be read again by offset", async () => {
  const texts = Array.from({ length: 400 }, (_, row) => `${row}:${"x".repeat((row * 7919) % 9_000)}`);
  texts.splice(200, 0, "long".repeat(300_000));
  const input = await openedFile("rows.jsonl", texts.join("\n"));
  const lines = await linesOf(input);
  expect(lines.map(({ bytes }) => bytes.toString())).toEqual(texts);
  for (const line of [...lines].reverse()) expect(input.readLineAt(line.offset).equals(line.bytes)).toBe(true);
});

test("a line of 5 MB is a row like any other", async () => {
  const prompt = "word ".repeat(1_000_000);
  const input = await openedFile("rows.jsonl", `${JSON.stringify({ prompt })}\n{"prompt":"next"}\n`);
  const [long, next] = await rowsOf(input);
  expect(long?.ok && long.row.request.messages[0]?.content).toBe(prompt);
  expect(next?.ok).toBe(true);
});

test("a line of more than 32 MB fails its row with its length, read at once or again", async () => {
  const long = Buffer.alloc(longestLineBytes + 5, "x");
  const input = await openedFile("rows.jsonl", Buffer.concat([long, Buffer.from('\n{"prompt":"next"}\n')]));
  const [first, next] = await rowsOf(input);
  const expected = `line 1: expected at most 33554432 bytes (32 MB) in a line, found ${longestLineBytes + 5}`;
  expect(failureOf(first!)).toBe(expected);
  expect(next?.ok).toBe(true);
  const [line] = await linesOf(input);
  expect(input.readLineAt(0).equals(line!.bytes)).toBe(true);
});

test("what is appended after the input was opened is not read", async () => {
  const folder = givenFolder({ "rows.jsonl": '{"a":1}\n' });
  const input = await opened(folder, "rows.jsonl");
  appendFileSync(join(folder, "rows.jsonl"), '{"b":2}\n');
  expect(await textsOf(input)).toEqual(['{"a":1}']);
});
