import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { createRowParser, type ParsedRow } from "../../src/intake/parse-row.ts";
import { parseTemplate } from "../../src/intake/template.ts";
import { failureOf, givenFolder, opened, refusalOf, rowOf, rowsOf } from "./given-input.ts";

const tree = {
  "b.ts": "b",
  "a/z.ts": "az",
  "a/deep/er/x.tsx": "x",
  "a-b/y.ts": "y",
  "é.md": "accent",
  "logo.png": Buffer.from([0x89, 0x50, 0, 1]),
  ".env": "KEY=secret",
  ".git/HEAD": "ref",
  ".cache/c.ts": "c",
  "node_modules/dep/index.ts": "dep",
};

const pathsOf = (folder: string, rows: readonly ParsedRow[]) =>
  rows.map((row) => relative(folder, row.ok ? row.row.id : row.id));

test("a folder gives one row a file, sorted by path, without hidden, binary and installed files", async () => {
  const folder = givenFolder(tree);
  const input = await opened(folder, "");
  expect(input.kind).toBe("files");
  const rows = await rowsOf(input);
  expect(pathsOf(folder, rows)).toEqual(["a-b/y.ts", "a/deep/er/x.tsx", "a/z.ts", "b.ts", "é.md"]);
  expect(input.notices).toEqual([`binary files left out of ${folder}: 1`]);
  const path = join(folder, "a/z.ts");
  expect(rowOf(rows[2]!)).toEqual({
    id: path,
    private: false,
    request: { messages: [{ role: "user", content: "az" }] },
    metadata: { path },
  });
});

test("a glob gives the files that match, and hidden ones only when it names them", async () => {
  const folder = givenFolder(tree);
  const found = async (glob: string) => pathsOf(folder, await rowsOf(await opened(folder, glob)));
  expect(await found("**/*.ts")).toEqual(["a-b/y.ts", "a/z.ts", "b.ts"]);
  expect(await found("*.ts")).toEqual(["b.ts"]);
  expect(await found("a/**/*.{ts,tsx}")).toEqual(["a/deep/er/x.tsx", "a/z.ts"]);
  expect(await found("a*/?.ts")).toEqual(["a-b/y.ts", "a/z.ts"]);
  expect(await found(".cache/*.ts")).toEqual([".cache/c.ts"]);
  expect(await found("node_modules/**/*.ts")).toEqual(["node_modules/dep/index.ts"]);
  expect(await found(".e*")).toEqual([".env"]);
});

test("a template takes the path and the text of a file; metadata holds the path alone", async () => {
  const folder = givenFolder({ "src/a.ts": "\ufeffconst a = 1;" });
  const prompt = parseTemplate("Document {{path}}:\n{{text}}", "--prompt");
  const [row] = await rowsOf(await opened(folder, "src"), { prompt, system: "Be brief." });
  const path = join(folder, "src/a.ts");
  expect(rowOf(row!)).toMatchObject({
    request: {
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: `Document ${path}:\nconst a = 1;` },
      ],
    },
    metadata: { path },
  });
});

test("a template with another column is refused for files before any is read", async () => {
  const prompt = parseTemplate("{{name}}", "--prompt");
  expect(await refusalOf(() => createRowParser({ strict: false, kind: "files", prompt }))).toMatch(
    /needs \{\{name\}\}; a row of a folder or glob has \{\{path\}\} and \{\{text\}\}/,
  );
});

test("a file that is empty, gone, or not UTF-8 fails its row with its path", async () => {
  const folder = givenFolder({ "empty.txt": "", "gone.txt": "x", "latin.txt": Buffer.from("caf\xe9", "latin1") });
  const input = await opened(folder, "");
  rmSync(join(folder, "gone.txt"));
  const rows = await rowsOf(input);
  expect(rows.map(failureOf)).toEqual([
    `${folder}/empty.txt: expected text, found an empty file`,
    `${folder}/gone.txt: the file cannot be read: it is not there; check the path (relative paths start at the current folder)`,
    `${folder}/latin.txt: expected text in UTF-8, found other bytes`,
  ]);
  expect(rows[1]).toMatchObject({ id: join(folder, "gone.txt"), metadata: { path: join(folder, "gone.txt") } });
});

test("the output of the run and its files are no input, so that a second run finds the same rows", async () => {
  const folder = givenFolder({ "a.ts": "a", "out.jsonl": "{}", "out.jsonl.part.1": "x", "out.jsonl.part.json": "{}" });
  const first = await opened(folder, "");
  expect(pathsOf(folder, await rowsOf(first))).toEqual(["a.ts"]);
  await first.close();
  writeFileSync(join(folder, "out.jsonl"), "{}{}");
  expect((await opened(folder, "")).identity.sha256).toBe(first.identity.sha256);
});

test("the identity changes when a file is edited, added or removed", async () => {
  const folder = givenFolder({ "a.ts": "a", "b.ts": "b" });
  const identify = async () => {
    const input = await opened(folder, "");
    await input.close();
    return input.identity.sha256;
  };
  const found = [await identify()];
  writeFileSync(join(folder, "a.ts"), "edited");
  found.push(await identify());
  writeFileSync(join(folder, "c.ts"), "c");
  found.push(await identify());
  rmSync(join(folder, "c.ts"));
  found.push(await identify());
  expect(new Set(found).size).toBe(3);
  expect(found[3]).toBe(found[1]);
});

test("links to files are followed, links to folders and broken links are not", async () => {
  const folder = givenFolder({ "real/a.ts": "a" });
  symlinkSync(join(folder, "real/a.ts"), join(folder, "link.ts"));
  symlinkSync(folder, join(folder, "circle"));
  symlinkSync(join(folder, "nowhere"), join(folder, "broken.ts"));
  symlinkSync("itself.ts", join(folder, "itself.ts"));
  expect(pathsOf(folder, await rowsOf(await opened(folder, "")))).toEqual(["link.ts", "real/a.ts"]);
});

test("a folder without text files, a glob without matches and a glob in a missing folder are refused", async () => {
  const folder = givenFolder({ "logo.png": Buffer.from([0]), ".env": "x" });
  expect(await refusalOf(() => opened(folder, ""))).toMatch(/expected files in the folder .*, found no text file/);
  expect(await refusalOf(() => opened(folder, "*.ts"))).toMatch(/no text file matches .*\*\.ts/);
  expect(await refusalOf(() => opened(folder, "nowhere/**/*.ts"))).toMatch(/no text file matches/);
});
