import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type ErrorCode, failedWithoutCall, type ResultLine } from "../../src/job/result.ts";
import { formatAnthropicLine } from "../../src/results/format-anthropic.ts";
import { formatFlatLine, readFlatResults } from "../../src/results/format-result.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const answered: ResultLine = {
  ...failedWithoutCall(0, "a", "simple", { code: "rejected", message: "" }),
  status: "answered",
  text: "Hello.",
  model: "local.llama3",
  finish_reason: "length",
  usage: { input_tokens: 22, output_tokens: 2, cached_tokens: 3 },
  attempts: 1,
  error: null,
};
const message = {
  id: "msg_01",
  type: "message",
  role: "assistant",
  model: "claude-haiku-5-5",
  content: [
    { type: "thinking", thinking: "Hm." },
    { type: "text", text: "Hi" },
  ],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 10, cache_creation_input_tokens: 1, cache_read_input_tokens: 4, output_tokens: 5 },
};
const given: ResultLine = { ...answered, anthropic_body: message };
const resultOf = (result: ResultLine) => JSON.parse(formatAnthropicLine(result));

test("a message of Anthropic's is given back as it came, and is no part of a flat line", () => {
  expect(resultOf(given)).toEqual({ custom_id: "a", result: { type: "succeeded", message } });
  expect(JSON.parse(formatFlatLine(given))).toEqual(answered);
});

test("another model's answer becomes a message of the flat fields", () => {
  expect(resultOf(answered).result.message).toEqual({
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "local.llama3",
    content: [{ type: "text", text: "Hello.", citations: null }],
    stop_reason: "max_tokens",
    stop_sequence: null,
    usage: {
      input_tokens: 19,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 3,
      output_tokens: 2,
      service_tier: "batch",
    },
  });
});

test.each<[ErrorCode, string]>([
  ["invalid_row", "invalid_request_error"],
  ["context_overflow", "invalid_request_error"],
  ["policy_refused", "permission_error"],
  ["budget_exhausted", "billing_error"],
  ["attempts_exhausted", "api_error"],
])("a row that fails as %s has erred with %s", (code, type) => {
  const failed = failedWithoutCall(1, "b", null, { code, message: "why" });
  const error = { type: "error", error: { type, message: "why" }, request_id: null };
  expect(resultOf(failed)).toEqual({ custom_id: "b", result: { type: "errored", error } });
});

test("rows that were cancelled or had no time left are canceled and expired", () => {
  const ended = (code: ErrorCode) => resultOf(failedWithoutCall(1, "b", null, { code, message: "why" }));
  expect(ended("cancelled")).toEqual({ custom_id: "b", result: { type: "canceled" } });
  expect(ended("deadline_passed")).toEqual({ custom_id: "b", result: { type: "expired" } });
});

test("lines come back with what they hold, and write the same line again", async () => {
  const codes: ErrorCode[] = ["invalid_row", "cancelled", "deadline_passed"];
  const failed = codes.map((code, at) => failedWithoutCall(at + 2, code, null, { code, message: "why" }));
  const lines = [given, answered, ...failed].map(formatAnthropicLine);
  const path = join(temporaryFolder(), "out.jsonl");
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  const results: ResultLine[] = [];
  for await (const result of readFlatResults(path)) results.push(result);
  expect(results).toMatchObject([
    { id: "a", index: 0, text: "Hi", usage: { input_tokens: 15, output_tokens: 5, cached_tokens: 4 } },
    { id: "a", index: 1, text: "Hello.", usage: { input_tokens: 22, output_tokens: 2, cached_tokens: 3 } },
    { status: "failed", error: { code: "rejected", message: "why" } },
    { error: { code: "cancelled" } },
    { error: { code: "deadline_passed" } },
  ]);
  expect(results.map(formatAnthropicLine)).toEqual(lines);
});
