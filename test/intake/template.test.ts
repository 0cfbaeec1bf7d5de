import { join } from "node:path";
import { expect, test } from "vitest";
import { parseTemplate, readTemplate, templateVariables } from "../../src/intake/template.ts";
import { failureOf, givenFolder, parsed, refusalOf, rowOf } from "./given-input.ts";

const promptOf = (text: string, row: object) =>
  rowOf(parsed(row, { prompt: parseTemplate(text, "--prompt") })).request.messages[0]!.content;

test("columns take the places that name them, values that are no texts as JSON", () => {
  const row = { text: "T {{n}}", n: 5, list: [1, { a: 2 }], none: null, "two words": "w" };
  expect(promptOf("{{text}}|{{ n }}|{{list}}|{{none}}|{{two words}}|{{n}}", row)).toBe('T {{n}}|5|[1,{"a":2}]||w|5');
});

test("braces that open nothing are text", () => {
  expect(promptOf('{"a":{"b":"{{text}}"}} }} {', { text: "x" })).toBe('{"a":{"b":"x"}} }} {');
});

test("columns that are no fields come back in metadata, beside the row's own", () => {
  const prompt = parseTemplate("{{text}}", "--prompt");
  expect(rowOf(parsed({ text: "x", lang: "fr", task: "simple", metadata: { own: 1 } }, { prompt }))).toMatchObject({
    task: "simple",
    metadata: { text: "x", lang: "fr", own: 1 },
  });
});

test("fields may be used too, and schema, choices and images are columns when the template names them", () => {
  expect(promptOf("Translate: {{prompt}} ({{id}})", { id: "a", prompt: "Hi" })).toBe("Translate: Hi (a)");
  expect(promptOf("{{question}} {{choices}}", { question: "Q", choices: ["a", "b"] })).toBe('Q ["a","b"]');
  const prompt = parseTemplate("{{question}}", "--prompt");
  expect(failureOf(parsed({ question: "Q", choices: ["a"] }, { prompt }))).toMatch(
    /choices: expected a list of at least two different texts/,
  );
});

test("a row without a column of the template fails and says which columns it has", () => {
  const prompt = parseTemplate("{{text}} {{title}}", "--prompt");
  expect(failureOf(parsed({ id: "a", text: "x" }, { prompt }))).toBe(
    "line 7: the prompt template needs {{title}}, which this row does not have (its columns: id, text)",
  );
  expect(failureOf(parsed({ text: "x" }, { prompt: parseTemplate("{{toString}}", "--prompt") }))).toMatch(/needs/);
});

test("a row that gives an empty prompt, or brings its own messages, fails", () => {
  const prompt = parseTemplate(" {{text}}", "--prompt");
  expect(failureOf(parsed({ text: "" }, { prompt }))).toMatch(/gives an empty prompt/);
  const messages = [{ role: "user", content: "Hi" }];
  expect(failureOf(parsed({ text: "x", messages }, { prompt }))).toMatch(/expected none beside a prompt template/);
});

test("names each variable once", () => {
  expect(templateVariables(parseTemplate("{{a}}{{b}}{{ a }}", "--prompt"))).toEqual(["a", "b"]);
});

test.each([
  ["Hi {{text", "--prompt, line 1, column 4: expected {{column}}, found {{ that is not closed"],
  ["Hi\n {{a {{b}}", "--prompt, line 2, column 2: expected {{column}}, found {{ that is not closed"],
  ["{{a\n}}", "--prompt, line 1, column 1: expected {{column}}"],
  ["x {{ }}", "--prompt, line 1, column 3: expected the name of a column"],
  ["Hello", "--prompt: expected at least one {{column}}, found none"],
])("refuses the template %j with its position", async (text, message) => {
  expect(await refusalOf(() => parseTemplate(text, "--prompt"))).toContain(message);
});

test("a template file is read without its byte order mark and last line end", () => {
  const folder = givenFolder({ "prompt.txt": "\ufeffSum up:\n{{text}}\r\n" });
  expect(readTemplate({ promptFile: join(folder, "prompt.txt") })).toEqual({
    texts: ["Sum up:\n", ""],
    variables: ["text"],
  });
  expect(readTemplate({})).toBeUndefined();
  expect(readTemplate({ prompt: "{{a}}" })?.variables).toEqual(["a"]);
});

test("refuses both flags at once, a missing file, and one that is not UTF-8", async () => {
  const folder = givenFolder({ latin: Buffer.from("{{a}} \xe9", "latin1") });
  expect(await refusalOf(() => readTemplate({ prompt: "{{a}}", promptFile: "x" }))).toMatch(/found both/);
  expect(await refusalOf(() => readTemplate({ promptFile: join(folder, "none") }))).toMatch(
    /cannot read --prompt-file .*none: it is not there/,
  );
  expect(await refusalOf(() => readTemplate({ promptFile: join(folder, "latin") }))).toMatch(/expected text in UTF-8/);
});
