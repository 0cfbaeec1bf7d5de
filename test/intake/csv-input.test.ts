import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { parseTemplate } from "../../src/intake/template.ts";
import { failureOf, linesOf, openedFile, refusalOf, rowOf, rowsOf } from "./given-input.ts";

const csvRows = async (content: string | Uint8Array, options = {}) =>
  rowsOf(await openedFile("rows.csv", content), options);

test("CSV cells become the fields of a row, of the type that the field has", async () => {
  const [row] = await csvRows(
    'id,task,prompt,max_tokens,temperature,top_p,seed,private,stop,metadata\n7,simple,"Hi, ""you""\nthere",12,0.5,1,3,TRUE,END,"{""a"":1}"\n',
  );
  expect(rowOf(row!)).toEqual({
    id: "7",
    task: "simple",
    private: true,
    request: {
      messages: [{ role: "user", content: 'Hi, "you"\nthere' }],
      maxOutputTokens: 12,
      temperature: 0.5,
      topP: 1,
      seed: 3,
      stop: ["END"],
    },
    metadata: { a: 1 },
  });
});

test("an empty cell is an absent field", async () => {
  const [row] = await csvRows("id,prompt,max_tokens,private,system,metadata\n,one,,,,\n");
  expect(rowOf(row!)).toEqual({ id: "2", private: false, request: { messages: [{ role: "user", content: "one" }] } });
});

test("a cell that has not its field's type fails its row and quotes nothing", async () => {
  const rows = await csvRows('id,prompt,max_tokens,private,messages\na,one,many,,\nb,one,,maybe,\nc,,,,"[oops"\n');
  expect(rows.map(failureOf)).toEqual([
    "line 2: max_tokens: expected a whole number above 0, found a text",
    "line 3: private: expected true or false, found a text",
    "line 4: messages: expected a list of messages that is not empty, found a text",
  ]);
});

test("messages may stand in a cell as JSON", async () => {
  const [row] = await csvRows('messages\n"[{""role"":""user"",""content"":""Hi""}]"\n');
  expect(rowOf(row!).request.messages).toEqual([{ role: "user", content: "Hi" }]);
});

test("a byte order mark, CRLF, blank lines, and an unquoted last line do no harm", async () => {
  const rows = await csvRows('\ufeffid,prompt\r\na,one\r\n\r\n,\r\nb,"two\r\nlines"\r\nc,three');
  expect(rows.map((row) => [rowOf(row).id, rowOf(row).request.messages[0]!.content])).toEqual([
    ["a", "one"],
    ["b", "two\r\nlines"],
    ["c", "three"],
  ]);
});

test("line numbers are those of the CSV, also after blank lines and cells of many lines", async () => {
  const input = await openedFile("rows.csv", 'prompt\r\none\r\n\r\n"two\r\nlines\r\nand more"\r\nfour\r\n');
  const lines = await linesOf(input);
  expect(lines.map(({ index }) => input.lineNumberOf(index))).toEqual([2, 4, 7]);
});

test("a record of the wrong width or of bytes that are not UTF-8 fails alone, with its line", async () => {
  const wrong = Buffer.from("id,prompt\na,one\nb,two,2\nc\nd,\xff\xfe\ne,five\n", "latin1");
  const rows = await csvRows(wrong);
  expect(rows.map(({ ok }) => ok)).toEqual([true, false, false, false, true]);
  expect(failureOf(rows[1]!)).toMatch(/^line 3: expected 2 cells as in the header, found 3; a cell with a comma/);
  expect(failureOf(rows[2]!)).toMatch(/^line 4: expected 2 cells as in the header, found 1/);
  expect(failureOf(rows[3]!)).toBe("line 5: prompt: expected text in UTF-8, found other bytes");
});

test("with a template the other columns come back in metadata, empty ones too", async () => {
  const prompt = parseTemplate("{{lang}}: {{text}} {{note}}", "--prompt");
  const [row] = await csvRows("id,lang,text,note,task\na,fr,bonjour,,simple\n", { prompt });
  expect(rowOf(row!)).toMatchObject({
    id: "a",
    task: "simple",
    request: { messages: [{ role: "user", content: "fr: bonjour " }] },
    metadata: { lang: "fr", text: "bonjour", note: "" },
  });
});

test("without a template an unknown column is an error of each row", async () => {
  const [row] = await csvRows("id,promt\na,one\n");
  expect(failureOf(row!)).toMatch(/^line 2: unknown field "promt"; did you mean "prompt"\?/);
});

test("a header that cannot be used is refused", async () => {
  const refused = (content: string) => refusalOf(() => openedFile("rows.csv", content));
  expect(await refused("id,prompt,id\na,b,c\n")).toMatch(/rows\.csv, line 1: .*found "id" twice/);
  expect(await refused("id,,prompt\na,b,c\n")).toMatch(/found none for column 2/);
  expect(await refused("id;prompt\na;b\n")).toMatch(/separate the columns by commas/);
});

test("a quote that is never closed is refused with the line where its record begins", async () => {
  expect(await refusalOf(() => openedFile("rows.csv", 'id,prompt\na,one\nb,"two\nc,three\n'))).toMatch(
    /rows\.csv: the record that begins in line 3 has a quote that is never closed/,
  );
});

test("an empty CSV and one with a header alone have no rows, and a gzipped one reads like a plain one", async () => {
  expect(await csvRows("")).toEqual([]);
  expect(await csvRows("id,prompt\n")).toEqual([]);
  expect(await rowsOf(await openedFile("rows.csv.gz", gzipSync("id,prompt\na,one\n")))).toHaveLength(1);
});

test("a CSV of many records streams through", async () => {
  const records = Array.from({ length: 20_000 }, (_, row) => `${row},"prompt, ${row}"`);
  const rows = await csvRows(`id,prompt\n${records.join("\n")}\n`);
  expect(rows).toHaveLength(20_000);
  expect(rowOf(rows.at(-1)!)).toMatchObject({ id: "19999", request: { messages: [{ content: "prompt, 19999" }] } });
});
