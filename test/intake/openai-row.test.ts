import { expect, test } from "vitest";
import { parseTemplate } from "../../src/intake/template.ts";
import { failureOf, parsed, rowOf } from "./given-input.ts";

const body = { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello" }], max_completion_tokens: 100 };
const line = { custom_id: "request-1", method: "POST", url: "/v1/chat/completions", body };

test("an OpenAI batch line is told apart by itself and keeps its body whole", () => {
  expect(parsed(line)).toEqual({
    ok: true,
    format: "openai",
    row: {
      id: "request-1",
      model: "gpt-4o-mini",
      private: false,
      request: { messages: [], maxOutputTokens: 100, openaiBody: body },
    },
  });
});

test("a batch line may carry a task and privacy, and a body without model or limit is fine", () => {
  const { model: _model, max_completion_tokens: _limit, ...rest } = body;
  expect(rowOf(parsed({ ...line, task: "analysis", private: true, body: rest }))).toEqual({
    id: "request-1",
    task: "analysis",
    private: true,
    request: { messages: [], openaiBody: rest },
  });
});

test("the system prompt of the run goes into a body that has none", () => {
  const openaiBody = rowOf(parsed(line, { system: "Be brief." })).request.openaiBody;
  expect(openaiBody).toEqual({ ...body, messages: [{ role: "system", content: "Be brief." }, ...body.messages] });
});

test.each([
  [
    { ...line, url: "/v1/embeddings" },
    /method and url: expected POST \/v1\/chat\/completions, the one that is supported/,
  ],
  [{ ...line, method: "GET" }, /method and url: expected POST/],
  [{ ...line, custom_id: 5 }, "line 7: custom_id: expected a text that is not empty, found 5"],
  [{ ...line, body: "text" }, "line 7: body: expected an object, found a text"],
  [{ ...line, body: {} }, /body\.messages: expected a list of messages that is not empty/],
  [{ ...line, body: { ...body, max_tokens: "9" } }, /body\.max_tokens: expected a whole number above 0, found a text/],
  [{ ...line, body: { ...body, model: 4 } }, "line 7: body.model: expected the name of a model, found 4"],
  [{ ...line, privat: true }, /unknown field "privat"; did you mean "private"\?/],
  [{ ...line, private: "true" }, "line 7: private: expected true or false, found a text"],
  [{ ...line, private: null }, "line 7: private: expected true or false, found nothing"],
])("fails the line %j", (wrong, message) => {
  if (typeof message === "string") expect(failureOf(parsed(wrong))).toBe(message);
  else expect(failureOf(parsed(wrong))).toMatch(message);
});

test("a flat row may have a column named body when a template uses it", () => {
  const prompt = parseTemplate("Reply to: {{body}}", "--prompt");
  expect(rowOf(parsed({ id: "mail-1", body: "Hello?" }, { prompt })).id).toBe("mail-1");
  expect(failureOf(parsed(line, { prompt }))).toMatch(/expected a flat row for the prompt template, found an OpenAI/);
});
