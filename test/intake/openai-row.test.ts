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

test("a batch line may be put to several models", () => {
  const consensus = { models: ["a", "b", "c"], threshold: 0.5, judge: "a" };
  expect(rowOf(parsed({ ...line, consensus })).consensus).toEqual(consensus);
  expect(rowOf(parsed({ ...line, consensus: null }))).not.toHaveProperty("consensus");
});

test("the system prompt of the run goes into a body that has none", () => {
  const openaiBody = rowOf(parsed(line, { system: "Be brief." })).request.openaiBody;
  expect(openaiBody).toEqual({ ...body, messages: [{ role: "system", content: "Be brief." }, ...body.messages] });
});

test.each([
  [
    { ...line, url: "/v1/moderations" },
    /method and url: expected POST and one of \/v1\/chat\/completions, \/v1\/responses, .*, found another/,
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
  [
    { ...line, consensus: 0.66 },
    'line 7: consensus: expected an object such as { "models": ["a", "b", "c"] }, found 0.66',
  ],
  [
    { ...line, consensus: { models: ["a"] } },
    "line 7: consensus.models: expected at least two different models; found 1; name another one",
  ],
  [
    { ...line, consensus: { models: ["a", "b"], threshold: 1.5 } },
    /consensus\.threshold: expected a share above 0, at most 1/,
  ],
])("fails the line %j", (wrong, message) => {
  if (typeof message === "string") expect(failureOf(parsed(wrong))).toBe(message);
  else expect(failureOf(parsed(wrong))).toMatch(message);
});

test("a flat row may have a column named body when a template uses it", () => {
  const prompt = parseTemplate("Reply to: {{body}}", "--prompt");
  expect(rowOf(parsed({ id: "mail-1", body: "Hello?" }, { prompt })).id).toBe("mail-1");
  expect(failureOf(parsed(line, { prompt }))).toMatch(/expected a flat row for the prompt template, found an OpenAI/);
});

const at = (url: string, body: object) => ({ custom_id: "e-1", method: "POST", url, body });

test.each([
  ["/v1/responses", { input: "Hello", max_output_tokens: 9, instructions: "Be brief." }, 9],
  ["/v1/responses", { input: [{ role: "user", content: "Hello" }, { type: "function_call_output" }] }, undefined],
  ["/v1/embeddings", { input: ["a", "b"], dimensions: 3, max_tokens: 9 }, undefined],
  ["/v1/embeddings", { input: [[1, 2], [3]] }, undefined],
  ["/v1/completions", { prompt: [1, 2], max_tokens: 9 }, 9],
])("a line for %s keeps its body %j whole and says what it is for", (url, body, limit) => {
  expect(parsed(at(url, { model: "m", ...body }))).toEqual({
    ok: true,
    format: "openai",
    row: {
      id: "e-1",
      model: "m",
      private: false,
      request: {
        messages: [],
        ...(limit === undefined ? {} : { maxOutputTokens: limit }),
        openaiBody: { model: "m", ...body },
        endpoint: url,
      },
    },
  });
});

test.each([
  ["/v1/chat/completions", {}, "line 7: body.messages: expected a list of messages that is not empty, found nothing"],
  ["/v1/responses", {}, "line 7: body.input: expected a text or a list of items, found nothing"],
  [
    "/v1/responses",
    { input: "x", previous_response_id: "r" },
    /body\.previous_response_id: expected all that is asked/,
  ],
  ["/v1/responses", { input: "x", max_output_tokens: 0 }, /body\.max_output_tokens: expected a whole number above 0/],
  [
    "/v1/responses",
    { input: [{ role: "user", content: [{ type: "input_image", image_url: "/etc/passwd" }] }] },
    /body\.input: an image_url: expected an http\(s\) URL or a data: URI/,
  ],
  ["/v1/embeddings", { input: [] }, /body\.input: expected a text, a list of texts, or tokens/],
  ["/v1/embeddings", { input: ["a", 1] }, /body\.input: expected a text, a list of texts, or tokens/],
  ["/v1/completions", { prompt: 5 }, /body\.prompt: expected a text, .*, found 5/],
])("fails the line for %s with the body %j", (url, body, message) => {
  const failure = failureOf(parsed(at(url, body)));
  if (typeof message === "string") expect(failure).toBe(message);
  else expect(failure).toMatch(message);
});

test("a system prompt of the run becomes a response's instructions, and fails rows that take none", () => {
  const options = { system: "Be brief." };
  const response = rowOf(parsed(at("/v1/responses", { input: "x" }), options));
  expect(response.request.openaiBody).toEqual({ input: "x", instructions: "Be brief." });
  const failure = failureOf(parsed(at("/v1/embeddings", { input: "x" }), options));
  expect(failure).toMatch(/takes a system prompt .*, found \/v1\/embeddings; leave --system out/);
});
