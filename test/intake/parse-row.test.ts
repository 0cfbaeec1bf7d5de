import { expect, test } from "vitest";
import { idOfLine } from "../../src/intake/parse-row.ts";
import { parseTemplate } from "../../src/intake/template.ts";
import { failureOf, parsed, rowOf } from "./given-input.ts";

test("a prompt alone is a row, with its line number as id", () => {
  expect(parsed({ prompt: "Hi" })).toEqual({
    ok: true,
    format: "flat",
    row: { id: "7", private: false, request: { messages: [{ role: "user", content: "Hi" }] } },
  });
});

test("every field of a flat row finds its place", () => {
  const row = {
    id: 12,
    task: "documentation",
    messages: [
      { role: "user", content: "Hi" },
      { role: "assistant", content: [{ type: "text", text: "Yes?" }] },
    ],
    system: "Be brief.",
    model: "claude.haiku",
    max_tokens: 10,
    temperature: 0,
    top_p: 0.9,
    stop: ["a", "b"],
    seed: -1,
    private: true,
    metadata: { nested: { a: [1] } },
  };
  expect(rowOf(parsed(row))).toEqual({
    id: "12",
    task: "documentation",
    model: "claude.haiku",
    private: true,
    request: {
      messages: [{ role: "system", content: "Be brief." }, ...row.messages],
      maxOutputTokens: 10,
      temperature: 0,
      topP: 0.9,
      stop: ["a", "b"],
      seed: -1,
    },
    metadata: { nested: { a: [1] } },
  });
});

test("null counts as absent, but for privacy, where nothing is guessed", () => {
  expect(rowOf(parsed({ id: null, prompt: "Hi", task: null, max_tokens: null, metadata: null, schema: null }))).toEqual(
    {
      id: "7",
      private: false,
      request: { messages: [{ role: "user", content: "Hi" }] },
    },
  );
  expect(failureOf(parsed({ prompt: "Hi", private: null }))).toBe(
    "line 7: private: expected true or false, found nothing",
  );
});

test("the system prompt of the run is for rows that have none", () => {
  const systemOf = (row: object) =>
    rowOf(parsed(row, { system: "Of the run." })).request.messages.filter(({ role }) => role === "system");
  expect(systemOf({ prompt: "Hi" })).toEqual([{ role: "system", content: "Of the run." }]);
  expect(systemOf({ prompt: "Hi", system: "Own." })).toEqual([{ role: "system", content: "Own." }]);
  expect(systemOf({ prompt: "Hi", system: "" })).toEqual([]);
  const own = { role: "system", content: "In the messages." };
  expect(systemOf({ messages: [own, { role: "user", content: "Hi" }] })).toEqual([own]);
});

test.each([
  ["not json", /^line 7: expected one JSON object, found what is not JSON \(Unexpected token/],
  ['{"prompt":"a"} {"prompt":"b"}', /found what is not JSON/],
  ['{"prompt":"a"', /found what is not JSON/],
  ['"text"', "line 7: expected a JSON object, found a string"],
  ["[1]", "line 7: expected a JSON object, found a list"],
  ["null", "line 7: expected a JSON object, found null"],
  ["{}", "line 7: expected prompt or messages, found neither; add one, or give --prompt"],
  ['{"prompt":" "}', "line 7: prompt: expected a text that is not empty, found an empty text"],
  ['{"prompt":5}', "line 7: prompt: expected a text that is not empty, found 5"],
  ['{"prompt":"a","messages":[{"role":"user","content":"b"}]}', /expected prompt or messages, found both/],
  ['{"messages":[]}', /messages: expected a list of messages that is not empty, found an empty list/],
  ['{"messages":["Hi"]}', /messages: expected a list of objects/],
  ['{"messages":[{"role":"robot","content":"Hi"}]}', /messages: expected a role of system, user, assistant/],
  ['{"messages":[{"role":"user"}]}', /messages: expected a text or a list of parts/],
  ['{"prompt":"a","id":{}}', "line 7: id: expected a text or a number, found an object"],
  ['{"prompt":"a","id":""}', "line 7: id: expected a text or a number, found an empty text"],
  ['{"prompt":"a","max_tokens":"10"}', "line 7: max_tokens: expected a whole number above 0, found a text"],
  ['{"prompt":"a","max_tokens":0}', "line 7: max_tokens: expected a whole number above 0, found 0"],
  ['{"prompt":"a","temperature":-1}', "line 7: temperature: expected a number of at least 0, found -1"],
  ['{"prompt":"a","top_p":2}', "line 7: top_p: expected a number from 0 to 1, found 2"],
  ['{"prompt":"a","seed":1.5}', "line 7: seed: expected a whole number, found 1.5"],
  ['{"prompt":"a","stop":[1]}', "line 7: stop: expected a text or a list of texts, found a list"],
  ['{"prompt":"a","private":"yes"}', "line 7: private: expected true or false, found a text"],
  ['{"prompt":"a","metadata":[1]}', "line 7: metadata: expected an object, found a list"],
  ['{"prompt":"a","promt":"b"}', /^line 7: unknown field "promt"; did you mean "prompt"\?/],
  ['{"prompt":"a","__proto__":{"private":true}}', /unknown field "__proto__"/],
])("fails the row %s", (line, message) => {
  if (typeof message === "string") expect(failureOf(parsed(line))).toBe(message);
  else expect(failureOf(parsed(line))).toMatch(message);
});

test("no message quotes the text of a row", () => {
  const secret = "very-secret-words";
  const lines = [
    `${secret} is no JSON`,
    `{"prompt":"${secret}`,
    `{"prompt":"${secret}" "x":1}`,
    { prompt: "a", private: secret },
    { prompt: [secret] },
    { prompt: "a", system: { text: secret } },
    { messages: [{ role: secret, content: secret }] },
    { custom_id: "a", method: secret, url: secret, body: { messages: [] } },
  ];
  for (const line of lines) expect(failureOf(parsed(line))).not.toContain(secret);
});

test("a value nested so deeply that it could not be written again fails its row", () => {
  const deep = `${"[".repeat(20_000)}${"]".repeat(20_000)}`;
  expect(failureOf(parsed(`{"prompt":"a","metadata":{"x":${deep}}}`))).toMatch(/metadata: expected at most 100 lists/);
  const prompt = parseTemplate("{{x}}", "--prompt");
  expect(failureOf(parsed(`{"x":${deep}}`, { prompt }))).toMatch(/x: expected at most 100 lists/);
});

test("a failed row keeps its id and its metadata", () => {
  expect(parsed({ id: "a", metadata: { n: 1 } })).toMatchObject({ ok: false, id: "a", metadata: { n: 1 } });
  const prompt = parseTemplate("{{text}}", "--prompt");
  expect(parsed({ id: "a", txt: "b", metadata: { n: 1 } }, { prompt })).toMatchObject({
    ok: false,
    id: "a",
    metadata: { n: 1, txt: "b" },
  });
});

test("the id of a line is the one that its result has", () => {
  const lines = [
    { id: "a", prompt: "x" },
    { id: 5 },
    { id: "", prompt: "x" },
    { id: null, prompt: "x" },
    { path: "x", prompt: "y" },
    { custom_id: "c", method: "POST", url: "/v1/chat/completions", body: {} },
    { id: "a", custom_id: "c", prompt: "x" },
    "no json",
  ];
  for (const line of lines) {
    const result = parsed(line);
    const bytes = Buffer.from(typeof line === "string" ? line : JSON.stringify(line));
    expect(idOfLine(bytes, 7, "rows")).toBe(result.ok ? result.row.id : result.id);
  }
  expect(idOfLine(Buffer.from('{"path":"src/a.ts","size":1}'), 7, "files")).toBe("src/a.ts");
});
