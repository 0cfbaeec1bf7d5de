import { expect, it } from "vitest";
import { readAnswerForm } from "../../src/intake/answer-form.ts";
import { parseTemplate } from "../../src/intake/template.ts";
import { failureOf, givenFolder, openedFile, parsed, refusalOf, rowOf, rowsOf } from "./given-input.ts";

const schema = { type: "object", properties: { stars: { type: "integer" } }, required: ["stars"] };
const formOf = (row: object, options = {}) => rowOf(parsed({ prompt: "Hi", ...row }, options)).request.answerForm;

it("a row's schema or choices go with its request, and go before those of the run", () => {
  expect(formOf({ schema })).toEqual({ schema });
  expect(formOf({ choices: ["good", "bad"] })).toEqual({ choices: ["good", "bad"] });
  const answerForm = { choices: ["a", "b"] };
  expect(formOf({}, { answerForm })).toEqual(answerForm);
  expect(formOf({ schema: null }, { answerForm })).toEqual(answerForm);
  expect(formOf({ schema }, { answerForm })).toEqual({ schema });
  expect(formOf({})).toBeUndefined();
});

it.each([
  [{ schema: "object" }, "line 7: schema: expected a JSON schema, which is an object, found a text"],
  [{ schema: { type: "objekt" } }, /^line 7: schema: no answer can be checked by it: schema is invalid: data\/type/],
  [{ schema: { $ref: "https://example.com/a.json" } }, /can't resolve reference https:\/\/example\.com\/a\.json/],
  [{ schema: { $async: true } }, /\$async is not supported/],
  [{ schema: { pattern: "(" } }, /no answer can be checked by it: .*[Rr]eg/],
  [{ choices: "good" }, "line 7: choices: expected a list of at least two different texts, found a text"],
  [{ choices: ["good"] }, /at least two different texts, found a list/],
  [{ choices: ["good", "good"] }, /at least two different texts/],
  [{ choices: ["good", 2] }, /at least two different texts/],
  [{ choices: ["a", "b"], schema }, "line 7: expected schema or choices, found both; leave one out"],
])("the row with %j fails", (row, message) => {
  const failure = failureOf(parsed({ prompt: "Hi", ...row }));
  if (typeof message === "string") expect(failure).toBe(message);
  else expect(failure).toMatch(message);
});

it("schemas of every draft, with formats and keywords that nobody knows, are taken", () => {
  const broken = { $id: "https://example.com/broken", $ref: "https://example.com/gone" };
  expect(failureOf(parsed({ prompt: "Hi", schema: broken }))).toMatch(/can't resolve reference/);
  for (const more of [
    { $schema: "http://json-schema.org/draft-07/schema#", items: [{ type: "string" }] },
    { $schema: "https://json-schema.org/draft/2020-12/schema", prefixItems: [{ type: "string" }] },
    { format: "email", "x-order": 3 },
    { $id: "https://example.com/same", $defs: { a: { type: "string" } }, properties: { a: { $ref: "#/$defs/a" } } },
    { $id: "https://example.com/same", type: "array" },
    { $id: "https://example.com/broken", type: "array" },
  ]) {
    expect(formOf({ schema: more })).toEqual({ schema: more });
  }
});

it("a template that names such a column means the column, and the run's form holds", () => {
  const template = parseTemplate("{{question}} {{choices}}", "--prompt");
  const row = rowOf(
    parsed({ question: "Which?", choices: "a or b" }, { prompt: template, answerForm: { choices: ["a", "b"] } }),
  );
  expect(row.request.messages).toEqual([{ role: "user", content: "Which? a or b" }]);
  expect(row.request.answerForm).toEqual({ choices: ["a", "b"] });
  expect(row.metadata).toEqual({ question: "Which?", choices: "a or b" });
});

it("cells of a CSV may hold them as JSON", async () => {
  const [row] = await rowsOf(await openedFile("in.csv", 'prompt,choices\nHi,"[""a"",""b""]"\n'));
  expect(rowOf(row!).request.answerForm).toEqual({ choices: ["a", "b"] });
});

it("an OpenAI line brings its own form, and fails when the run has another", () => {
  const line = { custom_id: "a", method: "POST", url: "/v1/chat/completions" };
  const body = { messages: [{ role: "user", content: "Hi" }], response_format: { type: "json_object" } };
  expect(rowOf(parsed({ ...line, body })).request.openaiBody).toEqual(body);
  expect(failureOf(parsed({ ...line, body }, { answerForm: { schema } }))).toMatch(
    /expected a flat row for --schema or --choices/,
  );
});

it("--schema and --choices that no answer can be checked by are refused with what to do", async () => {
  const folder = givenFolder({ "good.json": JSON.stringify(schema), "bad.json": '{"type":"objekt"}', "no.json": "{" });
  expect(readAnswerForm({ schema: `${folder}/good.json` })).toEqual({ schema });
  expect(readAnswerForm({ choices: ["good", "bad"] })).toEqual({ choices: ["good", "bad"] });
  expect(readAnswerForm({})).toBeUndefined();
  expect(await refusalOf(() => readAnswerForm({ schema: "x", choices: ["a", "b"] }))).toMatch(/found both/);
  expect(await refusalOf(() => readAnswerForm({ schema: `${folder}/none.json` }))).toMatch(/it is not there/);
  expect(await refusalOf(() => readAnswerForm({ schema: `${folder}/no.json` }))).toMatch(/is not JSON/);
  expect(await refusalOf(() => readAnswerForm({ schema: `${folder}/bad.json` }))).toMatch(/schema is invalid/);
  expect(await refusalOf(() => readAnswerForm({ choices: ["good"] }))).toMatch(/at least two .* good,bad/);
});
