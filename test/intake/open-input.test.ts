import { chmodSync, existsSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { openInput } from "../../src/intake/open-input.ts";
import { failureOf, givenFolder, opened, openedFile, refusalOf, rowsOf, spoolOf, textsOf } from "./given-input.ts";

const rows = '{"id":"a","prompt":"one"}\n{"id":"b","prompt":"two"}\n';

test("a gzipped input reads like the plain one, through a spool file that only this user can read", async () => {
  const folder = givenFolder({ "rows.jsonl.gz": gzipSync(rows) });
  const input = await opened(folder, "rows.jsonl.gz");
  expect(await textsOf(input)).toEqual(rows.trim().split("\n"));
  expect(statSync(spoolOf(folder)).mode & 0o777).toBe(0o700);
  expect(statSync(input.path).mode & 0o777).toBe(0o600);
  await input.close();
  expect(existsSync(spoolOf(folder))).toBe(false);
});

test("an .ndjson file and extensions in capitals are known", async () => {
  expect(await textsOf(await openedFile("rows.ndjson", rows))).toHaveLength(2);
  expect(await textsOf(await openedFile("ROWS.JSONL.GZ", gzipSync(rows)))).toHaveLength(2);
});

test("standard input is JSON lines, whatever pieces it comes in", async () => {
  const input = await opened(givenFolder(), "-", [
    "\ufeff",
    '\n{"id":"a","pro',
    'mpt":"one"}\n{"id":"b"',
    ',"prompt":"two"}',
  ]);
  expect(await rowsOf(input)).toMatchObject([
    { ok: true, row: { id: "a" } },
    { ok: true, row: { id: "b" } },
  ]);
  expect(input.identity.source).toBe("standard input");
});

test("standard input is CSV when its first line looks like a header, and may be gzipped", async () => {
  for (const piece of ["id,prompt\na,one\n", gzipSync('id,"prompt"\r\na,one\r\n')]) {
    const input = await opened(givenFolder(), "-", [piece]);
    expect(await rowsOf(input)).toMatchObject([{ ok: true, row: { id: "a" } }]);
  }
  const words = await opened(givenFolder(), "-", ["not a header\nnor this\n"]);
  expect((await rowsOf(words)).map((row) => row.ok)).toEqual([false, false]);
});

test("empty standard input has no rows", async () => {
  expect(await textsOf(await opened(givenFolder(), "-", []))).toEqual([]);
});

test("the identity changes with the content and stays with a copy", async () => {
  const folder = givenFolder({ "one.jsonl": rows, "two.jsonl": rows, "other.jsonl": rows.replace("two", "owt") });
  utimesSync(join(folder, "two.jsonl"), 1_000, 1_000);
  const [one, two, other] = await Promise.all(
    ["one.jsonl", "two.jsonl", "other.jsonl"].map(async (name) => (await opened(folder, name)).identity),
  );
  expect(two!.sha256).toBe(one!.sha256);
  expect(two!.modifiedMs).toBe(1_000_000);
  expect(other!.sizeBytes).toBe(one!.sizeBytes);
  expect(other!.sha256).not.toBe(one!.sha256);
});

test("the identity of standard input is its content", async () => {
  const identities = [];
  for (const pieces of [[rows], [rows.slice(0, 9), rows.slice(9)], [`${rows} `]]) {
    identities.push((await opened(givenFolder(), "-", pieces)).identity.sha256);
  }
  expect(identities[1]).toBe(identities[0]);
  expect(identities[2]).not.toBe(identities[0]);
});

test("the identity of an input above 64 MB sees an edit at its start, at its end and a change of size", async () => {
  const folder = givenFolder();
  const content = Buffer.alloc(66 * 1024 * 1024, "x");
  const identify = async () => {
    writeFileSync(join(folder, "rows.jsonl"), content);
    return (await opened(folder, "rows.jsonl")).identity.sha256;
  };
  const found = [await identify()];
  content[0] = 1;
  found.push(await identify());
  content[content.length - 1] = 1;
  found.push(await identify());
  expect(new Set(found).size).toBe(3);
});

test("says what is wrong with a source that cannot be used", async () => {
  const folder = givenFolder({ "notes.txt": "x", "rows.jsonl": rows, "u16.jsonl": Buffer.from("\ufeff{}", "utf16le") });
  const refused = (name: string) => refusalOf(() => opened(folder, name));
  expect(await refused("missing.jsonl")).toMatch(/cannot read .*missing\.jsonl: it is not there; check the path/);
  expect(await refused("rows.jsonl/x.jsonl")).toMatch(/a part of its path is no folder|is not there/);
  expect(await refused("notes.txt")).toMatch(/cannot tell what .*notes\.txt holds: expected \.jsonl/);
  expect(await refused("u16.jsonl")).toMatch(/expected UTF-8, found UTF-16; convert it/);
});

test.skipIf(process.getuid?.() === 0)("says that a file may not be read", async () => {
  const folder = givenFolder({ "rows.jsonl": rows });
  chmodSync(join(folder, "rows.jsonl"), 0o000);
  expect(await refusalOf(() => opened(folder, "rows.jsonl"))).toMatch(/permission denied; give this user access/);
});

test("a gzip file that is cut off or no gzip at all is refused and leaves no spool", async () => {
  const folder = givenFolder({ "cut.jsonl.gz": gzipSync(rows).subarray(0, 30), "plain.jsonl.gz": rows });
  for (const name of ["cut.jsonl.gz", "plain.jsonl.gz"]) {
    expect(await refusalOf(() => opened(folder, name))).toMatch(/cannot unpack .*; is it a whole gzip file\?/);
    expect(existsSync(spoolOf(folder))).toBe(false);
  }
});

test("a spool that a killed run left is replaced", async () => {
  const folder = givenFolder({ "rows.jsonl.gz": gzipSync(rows) });
  await openInput(join(folder, "rows.jsonl.gz"), { spoolDirectory: spoolOf(folder) });
  expect(existsSync(spoolOf(folder))).toBe(true);
  expect(await textsOf(await opened(folder, "rows.jsonl.gz"))).toHaveLength(2);
});

test("a row of bytes that are not UTF-8 fails alone", async () => {
  const broken = Buffer.from('{"prompt":"\xff\xfe"}\n', "latin1");
  const input = await openedFile("rows.jsonl", Buffer.concat([Buffer.from(rows), broken, Buffer.from(rows)]));
  const parsed = await rowsOf(input);
  expect(parsed.map(({ ok }) => ok)).toEqual([true, true, false, true, true]);
  expect(failureOf(parsed[2]!)).toBe("line 3: expected text in UTF-8, found other bytes");
});
