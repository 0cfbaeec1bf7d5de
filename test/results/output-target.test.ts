import {
  chmodSync,
  createWriteStream,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { gunzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { checkOutputTarget, OutputError, openOutput } from "../../src/results/output-target.ts";

function givenFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "promptfleet-output-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const refusalOf = (path: string) =>
  checkOutputTarget(path).then(
    () => "accepted",
    (error: Error) => `${error.name}: ${error.message}`,
  );

test("accepts the formats it knows, a file that is there, a link to one, and standard output", async () => {
  const folder = givenFolder();
  writeFileSync(join(folder, "there.jsonl"), "old");
  symlinkSync(join(folder, "there.jsonl"), join(folder, "link.jsonl"));
  for (const name of ["a.jsonl", "a.jsonl.gz", "a.csv", "a.csv.gz", "there.jsonl", "link.jsonl"]) {
    expect(await refusalOf(join(folder, name))).toBe("accepted");
  }
  expect(await refusalOf("-")).toBe("accepted");
});

test("refuses a missing folder, a folder, a file as folder, and a format it does not know", async () => {
  const folder = givenFolder();
  writeFileSync(join(folder, "file"), "");
  expect(await refusalOf(join(folder, "none/out.jsonl"))).toMatch(
    /UserError: .*none, is not there; create it: mkdir -p/,
  );
  expect(await refusalOf(folder)).toMatch(/UserError: expected a file for the output, found the folder/);
  expect(await refusalOf(join(folder, "file/out.jsonl"))).toMatch(/UserError: /);
  expect(await refusalOf(join(folder, "out.parquet"))).toMatch(
    /expected a name that ends in \.jsonl, \.jsonl\.gz, \.csv/,
  );
  mkdirSync(join(folder, "out.jsonl"));
  expect(await refusalOf(join(folder, "out.jsonl"))).toMatch(/found the folder/);
});

test.skipIf(process.getuid?.() === 0)("refuses a folder in which it may not write", async () => {
  const folder = givenFolder();
  chmodSync(folder, 0o555);
  onTestFinished(() => chmodSync(folder, 0o755));
  expect(await refusalOf(join(folder, "out.jsonl"))).toMatch(/permission denied; make it writable/);
});

test("a file is there only when it is whole, and replaces the old one in one step", async () => {
  const path = join(givenFolder(), "out.jsonl");
  writeFileSync(path, "old\n");
  const writer = await openOutput(path);
  await writer.write('{"a":1}');
  await writer.write('{"b":"é"}');
  expect(readFileSync(path, "utf8")).toBe("old\n");
  await writer.commit();
  expect(readFileSync(path, "utf8")).toBe('{"a":1}\n{"b":"é"}\n');
  expect(readdirSync(join(path, ".."))).toEqual(["out.jsonl"]);
});

test("an output without lines is an empty file, and an empty gzip file is one", async () => {
  const folder = givenFolder();
  for (const name of ["out.jsonl", "out.jsonl.gz"]) await (await openOutput(join(folder, name))).commit();
  expect(readFileSync(join(folder, "out.jsonl")).length).toBe(0);
  expect(gunzipSync(readFileSync(join(folder, "out.jsonl.gz"))).length).toBe(0);
});

test("many lines arrive whole, plain and gzipped, and ask now and then to be waited for", async () => {
  const folder = givenFolder();
  const line = JSON.stringify({ text: "words ".repeat(100) });
  for (const name of ["out.jsonl", "out.csv.gz"]) {
    const path = join(folder, name);
    const writer = await openOutput(path);
    let waits = 0;
    for (let row = 0; row < 5_000; row++) {
      const written = writer.write(`${row}${line}`);
      if (written !== undefined) {
        waits++;
        await written;
      }
    }
    await writer.commit();
    const bytes = readFileSync(path);
    const text = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
    expect(text).toBe(Array.from({ length: 5_000 }, (_, row) => `${row}${line}\n`).join(""));
    expect(waits).toBeGreaterThan(5);
    expect(waits).toBeLessThan(50);
  }
});

test("an aborted output leaves the old file and nothing else, also gzipped", async () => {
  for (const name of ["out.jsonl", "out.jsonl.gz"]) {
    const folder = givenFolder();
    writeFileSync(join(folder, name), "old");
    const writer = await openOutput(join(folder, name));
    await writer.write("x".repeat(300_000));
    await writer.abort();
    expect(readdirSync(folder)).toEqual([name]);
    expect(readFileSync(join(folder, name), "utf8")).toBe("old");
  }
});

test("an output that is a link is written where the link points", async () => {
  const folder = givenFolder();
  mkdirSync(join(folder, "real"));
  symlinkSync("real/out.jsonl", join(folder, "out.jsonl"));
  const writer = await openOutput(join(folder, "out.jsonl"));
  await writer.write("line");
  await writer.commit();
  expect(lstatSync(join(folder, "out.jsonl")).isSymbolicLink()).toBe(true);
  expect(readFileSync(join(folder, "real/out.jsonl"), "utf8")).toBe("line\n");
});

// /dev/full takes no byte, as a full disk does.
test.skipIf(!existsSync("/dev/full"))(
  "a full disk is an OutputError that says what to do, and abort cleans up",
  async () => {
    for (const name of ["out.jsonl", "out.jsonl.gz"]) {
      const folder = givenFolder();
      symlinkSync("/dev/full", join(folder, `${name}.part.tmp`));
      const writer = await openOutput(join(folder, name));
      const writing = (async () => {
        // Neither text is compressible enough to stay in zlib's buffers.
        for (let row = 0; row < 40_000; row++) await writer.write(`${Math.sin(row)}${Math.cos(row)}`);
        await writer.commit();
      })();
      await expect(writing).rejects.toBeInstanceOf(OutputError);
      await expect(writing).rejects.toThrow(/no space is left; free some, then run the same command again/);
      await writer.abort();
      expect(readdirSync(folder)).toEqual([]);
    }
  },
);

test("a folder that went away is an OutputError", async () => {
  const folder = join(givenFolder(), "gone");
  await expect(openOutput(join(folder, "out.jsonl"))).rejects.toThrow(/its folder is not there any more/);
});

test("standard output gets the lines and waits when it is full", async () => {
  const taken: string[] = [];
  let release = () => {};
  const slow = new Writable({
    highWaterMark: 10,
    write(chunk, _encoding, done) {
      taken.push(String(chunk));
      release = done;
    },
  });
  const writer = await openOutput("-", slow);
  const waiting = writer.write("a line of many words");
  expect(waiting).toBeInstanceOf(Promise);
  release();
  await waiting;
  const committing = writer.commit();
  release();
  await committing;
  expect(taken.join("")).toBe("a line of many words\n");
});

test("a reader of standard output that goes away ends the writing quietly", async () => {
  const gone = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    },
  });
  const writer = await openOutput("-", gone);
  for (let row = 0; row < 10; row++) await writer.write("x".repeat(100_000));
  await writer.commit();
  expect(gone.destroyed).toBe(true);
});

test.skipIf(!existsSync("/dev/full"))("any other error of standard output is told", async () => {
  const writer = await openOutput("-", createWriteStream("/dev/full"));
  const writing = (async () => {
    for (let row = 0; row < 10; row++) await writer.write("x".repeat(100_000));
    await writer.commit();
  })();
  await expect(writing).rejects.toThrow(/cannot write to standard output: no space is left/);
});
