import { expect, test } from "vitest";
import { idOfLine } from "../../src/intake/parse-row.ts";
import { parseTemplate } from "../../src/intake/template.ts";
import { failureOf, parsed, rowOf } from "./given-input.ts";

const params = {
  model: "claude-haiku-5-5",
  max_tokens: 100,
  system: [{ type: "text", text: "Be brief." }],
  messages: [{ role: "user", content: [{ type: "text", text: "Hello" }] }],
  tools: [{ name: "look" }],
};
const line = { custom_id: "request-1", params };

test("a request of an Anthropic batch is told apart by itself and keeps its params whole", () => {
  expect(parsed({ ...line, task: "analysis", private: true })).toEqual({
    ok: true,
    format: "anthropic",
    row: {
      id: "request-1",
      task: "analysis",
      model: "claude-haiku-5-5",
      private: true,
      request: { messages: [], maxOutputTokens: 100, anthropicBody: params },
    },
  });
  expect(idOfLine(Buffer.from(JSON.stringify(line)), 7, "rows")).toBe("request-1");
});

test("a request may be put to several models", () => {
  const consensus = { models: ["a", "b"], threshold: 1 };
  expect(rowOf(parsed({ ...line, consensus })).consensus).toEqual(consensus);
});

test("the system prompt of the run is that of params that have none", () => {
  const { system: _system, ...rest } = params;
  const asked = (one: object) => rowOf(parsed({ ...line, params: one }, { system: "Rhyme." })).request.anthropicBody;
  expect(asked(rest)).toEqual({ ...rest, system: "Rhyme." });
  expect(asked(params)).toEqual(params);
});

test.each([
  [{ ...line, custom_id: 5 }, "line 7: custom_id: expected a text that is not empty, found 5"],
  [{ ...line, privat: true }, /unknown field "privat"; did you mean "private"\?/],
  [{ ...line, private: null }, "line 7: private: expected true or false, found nothing"],
  [{ ...line, consensus: [] }, /line 7: consensus: expected an object such as .*, found an empty list/],
  [
    { ...line, consensus: { models: ["a", "a"] } },
    /consensus\.models: expected at least two different models; found 1/,
  ],
  [{ ...line, params: { ...params, model: 4 } }, "line 7: params.model: expected the name of a model, found 4"],
  [{ ...line, params: { ...params, max_tokens: 0 } }, /params\.max_tokens: expected a whole number above 0, found 0/],
  [{ ...line, params: {} }, /params\.messages: expected a list of messages that is not empty, found nothing/],
  [{ ...line, params: { messages: [{ role: "tool", content: "x" }] } }, /expected a role of user, assistant, system/],
  [{ ...line, params: { messages: [{ role: "user", content: [] }] } }, /a text or a list of blocks as every message's/],
  [{ ...line, params: { ...params, system: 5 } }, /params\.system: expected a text or a list of blocks, found 5/],
])("fails the line %j", (wrong, message) => {
  if (typeof message === "string") expect(failureOf(parsed(wrong))).toBe(message);
  else expect(failureOf(parsed(wrong))).toMatch(message);
});

test("params that are no object make no such line, and a template or a form is for flat rows", () => {
  expect(failureOf(parsed({ custom_id: "a", params: "x" }))).toMatch(/unknown field "custom_id"/);
  const prompt = parseTemplate("Reply to: {{params}}", "--prompt");
  expect(failureOf(parsed(line, { prompt }))).toMatch(
    /flat row for the prompt template, found a request of an Anthropic/,
  );
  expect(failureOf(parsed(line, { answerForm: { choices: ["a", "b"] } }))).toMatch(
    /which brings its own output_config/,
  );
});
