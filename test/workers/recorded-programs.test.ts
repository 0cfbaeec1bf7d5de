import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { quotable } from "../../workers/backend-words.ts";
import type { Exited } from "../../workers/cli-adapter.ts";
import { callWith } from "../conformance/dialects.ts";
import { type ProgramDialect, programs } from "../conformance/programs.ts";

const unavailable = (reason: string, scope = "tier") => ({ kind: "unavailable", scope, reason });

/**
 * What the real programs (aichat 0.30.0, claude 2.1.197) said when a SIMULATED provider answered or failed, and what
 * each end must be read as.
 */
const ends: Readonly<Record<string, Readonly<Record<string, object>>>> = {
  aichat: {
    answer: { kind: "answered", answer: { text: "answer to 1", model: "openai:gpt-4o" } },
    "wrong-option": {
      kind: "rejected",
      message: "aichat says: temperature: range: -1..1 (type: invalid_request_error)",
    },
    "bad-key": unavailable("bad-key"),
    "claude-bad-key": unavailable("bad-key"),
    "no-key": unavailable("bad-key"),
    "no-credit": unavailable("no-credit"),
    "claude-no-credit": unavailable("no-credit"),
    "no-permission": unavailable("no-permission"),
    "model-missing": unavailable("model-missing", "model"),
    "claude-model-missing": unavailable("model-missing", "model"),
    "unknown-provider": unavailable("model-missing", "model"),
    "rate-limit": { kind: "throttled" },
    "claude-rate-limit": { kind: "throttled" },
    overloaded: { kind: "throttled" },
    "claude-overloaded": { kind: "throttled" },
    "server-error": { kind: "server-error" },
    "claude-server-error": { kind: "server-error" },
    reset: { kind: "server-error" },
    refused: { kind: "unreachable", message: expect.stringContaining("Connection refused") },
    "no-such-host": { kind: "unreachable" },
    "no-config": { kind: "unreachable" },
    "unknown-option": { kind: "unreachable" },
    "too-long": { kind: "context-overflow" },
    "claude-too-long": { kind: "context-overflow" },
    "llama-cpp-too-long": { kind: "context-overflow" },
    filtered: { kind: "content-filtered" },
    html: { kind: "invalid-answer" },
    "no-choices": { kind: "invalid-answer" },
  },
  "claude-cli": {
    answer: {
      kind: "answered",
      answer: {
        text: "answer to 1",
        finishReason: "stop",
        model: "claude-haiku-4-5",
        usage: { inputTokens: 32, outputTokens: 5, cachedTokens: 8 },
        costUsd: 0.0000508,
      },
    },
    schema: { kind: "answered", answer: { text: '{"answer":"answer to 9"}', finishReason: "stop" } },
    "wrong-option": { kind: "rejected", message: "claude says: API Error: 400 temperature: range: -1..1" },
    "bad-key": unavailable("bad-key"),
    "not-logged-in": unavailable("bad-key"),
    "no-credit": unavailable("no-credit"),
    "credit-balance": unavailable("no-credit"),
    "no-permission": unavailable("no-permission"),
    "model-missing": unavailable("model-missing", "model"),
    "rate-limit": { kind: "throttled" },
    overloaded: { kind: "throttled" },
    "server-error": { kind: "server-error" },
    "html-502": { kind: "server-error" },
    reset: { kind: "server-error" },
    refused: { kind: "unreachable" },
    "unknown-option": { kind: "unreachable", message: expect.stringContaining("update it") },
    "too-long": { kind: "context-overflow" },
    html: { kind: "invalid-answer" },
    "slash-command": { kind: "invalid-answer" },
  },
};

const read = (dialect: ProgramDialect, exited: Omit<Exited, "kind">) =>
  dialect.program.read({ kind: "exited", ...exited }, callWith({ model: dialect.model }), (words) =>
    quotable(words, undefined, undefined),
  );

describe.each(Object.entries(ends))("what a real %s said", (name, expected) => {
  const dialect = programs[name as keyof typeof programs]!;
  const folder = join(import.meta.dirname, "../fixtures", name);

  it("is read in full: every recorded end has its meaning here", () => {
    const recorded = globSync("*.json", { cwd: folder }).map((file) => basename(file, ".json"));
    expect(Object.keys(expected).sort()).toEqual(recorded.sort());
  });

  it.each(Object.entries(expected))("is understood: %s", (file, end) => {
    const exited = JSON.parse(readFileSync(join(folder, `${file}.json`), "utf8")) as Omit<Exited, "kind">;
    expect(read(dialect, exited)).toMatchObject(end);
  });
});

describe("what claude prints", () => {
  it.each([
    ["a page", "<html><title>Please log in</title></html>"],
    ["broken JSON", '{"type":"result","resu'],
    ["null", "null"],
    ["a list", "[]"],
    ["a string", '"hello"'],
    ["another object", '{"type":"system"}'],
    ["a result without text", '{"type":"result","is_error":false,"result":7}'],
  ])("is no answer when it is %s", (_what, stdout) => {
    expect(read(programs["claude-cli"]!, { code: 0, stdout, stderr: "" })).toMatchObject({ kind: "invalid-answer" });
  });

  it("is a refusal when it stopped at the bound of what the call may spend", () => {
    const stdout = JSON.stringify({ type: "result", subtype: "error_max_budget_usd", is_error: true, num_turns: 1 });
    expect(read(programs["claude-cli"]!, { code: 1, stdout, stderr: "" })).toMatchObject({
      kind: "rejected",
      message: expect.stringContaining("maxBudgetUsd"),
    });
  });

  it("is no answer when the model went on after its limit: only the end of it would be printed", () => {
    const modelUsage = { some: { maxOutputTokens: 32_000 } };
    const result = { type: "result", result: "…the end.", usage: { output_tokens: 33_000 }, modelUsage };
    expect(read(programs["claude-cli"]!, { code: 0, stdout: JSON.stringify(result), stderr: "" })).toMatchObject({
      kind: "invalid-answer",
    });
  });
});
