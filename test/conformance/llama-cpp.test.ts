import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { embeddedEngineFile, findModelFile } from "../../src/config/model-files.ts";
import type { AnswerForm } from "../../src/job/row.ts";
import type { Endpoint } from "../../workers/adapter.ts";
import { adapters } from "../../workers/index.ts";
import { callWith } from "./dialects.ts";

const model = "smollm2-135m";
const ask = (content: string) => ({ messages: [{ role: "user" as const, content }] });
const connect = () =>
  adapters["llama-cpp"].connect({ tier: "embedded", baseUrl: "", location: "local", trustedHosts: [], concurrency: 4 });

const engineIsThere = existsSync(embeddedEngineFile());
const modelIsThere = "path" in findModelFile(model);
const reason = !engineIsThere ? "engine is" : "model is";
const title =
  engineIsThere && modelIsThere
    ? "the embedded model"
    : `the embedded model (skipped: its ${reason} not installed; scripts/test installs it)`;

describe.skipIf(!engineIsThere || !modelIsThere)(title, () => {
  let endpoint: Endpoint;
  beforeAll(() => {
    endpoint = connect();
  });
  afterAll(() => endpoint.close());
  const call = (content: string, change = {}) =>
    endpoint.call(
      callWith({ model, request: ask(content), maxOutputTokens: 12, private: true, timeoutMs: 25_000, ...change }),
    );

  it("lists the models that have a file", async () => {
    expect(await endpoint.probe(new AbortController().signal)).toEqual({ usable: true, models: [model] });
  });

  it("answers and counts real tokens", async () => {
    const outcome = await call("What is the capital of France?");
    expect(outcome).toMatchObject({ kind: "answered", answer: { text: expect.stringContaining("Paris"), model } });
    if (outcome.kind !== "answered") return;
    expect(outcome.answer.usage.inputTokens).toBeGreaterThan(8);
    expect(outcome.answer.usage.outputTokens).toBeGreaterThan(2);
    expect(outcome.answer.usage.outputTokens).toBeLessThanOrEqual(12);
  });

  it("gives the same answer again when nothing is left to chance", async () => {
    const [first, second] = [await call("Name a colour."), await call("Name a colour.")];
    expect(first).toMatchObject({ kind: "answered" });
    expect((first as { answer: { text: string } }).answer.text).toBe(
      (second as typeof first & { answer: { text: string } }).answer.text,
    );
  });

  it("tells its answer as it comes, but nothing that turns out to be its end", async () => {
    const told: string[] = [];
    const request = { ...ask("Tell me a story."), stop: ["upon a"] };
    for (const change of [{}, { request }]) {
      told.length = 0;
      const outcome = await call("Tell me a story.", {
        maxOutputTokens: 24,
        ...change,
        onText: (text: string) => told.push(text),
      });
      expect(told.join("")).toBe((outcome as { answer: { text: string } }).answer.text);
      expect(told.length).toBeGreaterThan(0);
    }
  });

  it("holds its answer to a schema, and to choices", async () => {
    const schema = {
      type: "object",
      properties: { city: { enum: ["Paris", "Rome"] }, inhabitants: { type: "integer" } },
      required: ["city", "inhabitants"],
    };
    const inForm = (answerForm: AnswerForm) =>
      call("", { request: { ...ask("What is the capital of France?"), answerForm }, maxOutputTokens: 60 });
    const outcome = await inForm({ schema });
    expect(outcome).toMatchObject({ kind: "answered", answer: { finishReason: "stop" } });
    const json = JSON.parse((outcome as { answer: { text: string } }).answer.text);
    expect(json).toEqual({ city: expect.stringMatching(/^(Paris|Rome)$/), inhabitants: expect.any(Number) });
    const chosen = await inForm({ choices: ["Berlin", "Vienna"] });
    expect(JSON.parse((chosen as { answer: { text: string } }).answer.text).choice).toMatch(/^(Berlin|Vienna)$/);
  });

  it("stops at the limit and at a stop text", async () => {
    expect(await call("Tell me a story.", { maxOutputTokens: 3 })).toMatchObject({
      answer: { finishReason: "length", usage: { outputTokens: 3 } },
    });
    const stopped = await call("Tell me a story.", { request: { ...ask("Tell me a story."), stop: ["e"] } });
    expect(stopped).toMatchObject({ answer: { finishReason: "stop", text: expect.not.stringContaining("e") } });
  });

  it("answers more prompts at once than it has sequences", async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 7 }, (_, number) => call(`Say ${number}.`, { maxOutputTokens: 2 })),
    );
    expect(outcomes.map(({ kind }) => kind)).toEqual(Array(7).fill("answered"));
  });

  it("refuses a prompt that its context has no room for, instead of cutting it", async () => {
    expect(await call("word ".repeat(3_000))).toMatchObject({ kind: "context-overflow" });
  });

  it("ends at an abort and at the deadline, and answers after that", async () => {
    const abort = new AbortController();
    const long = "Write a long story.";
    const running = call(long, { maxOutputTokens: 1_500, signal: abort.signal });
    const short = call("Hi", { maxOutputTokens: 1 });
    expect(await short).toMatchObject({ kind: "answered" });
    abort.abort();
    expect(await running).toMatchObject({ kind: "cancelled" });
    expect(await call(long, { maxOutputTokens: 1_500, timeoutMs: 200 })).toMatchObject({ kind: "timed-out" });
    expect(await call("Hi", { maxOutputTokens: 1 })).toMatchObject({ kind: "answered" });
  });

  it("ends what is running when it is closed", async () => {
    const other = connect();
    const running = other.call(callWith({ model, request: ask("Write a long story."), maxOutputTokens: 1_500 }));
    await other.call(callWith({ model, request: ask("Hi"), maxOutputTokens: 1 }));
    await other.close();
    expect(await running).toMatchObject({ kind: "cancelled" });
  });

  it("says which options of an OpenAI line it left out", async () => {
    const openaiBody = { messages: [{ role: "user", content: "Hi" }], max_tokens: 2, logprobs: true, tools: [] };
    const outcome = await call("Hi", { request: { ...ask("Hi"), openaiBody } });
    expect(outcome).toMatchObject({ answer: { omittedOptions: ["logprobs", "tools"], usage: { outputTokens: 2 } } });
  });

  it("names a file that is no model", async () => {
    const folder = await mkdtemp(join(tmpdir(), "promptfleet-"));
    const path = join(folder, "broken.gguf");
    await writeFile(path, "GGUF but no more");
    expect(await call("Hi", { model: path })).toMatchObject({
      kind: "unavailable",
      scope: "model",
      reason: "model-missing",
    });
    await rm(folder, { recursive: true });
  });
});

describe("the embedded model without its file", () => {
  it("says where it looked and what brings it", async () => {
    const endpoint = connect();
    expect(await endpoint.call(callWith({ model: "no-such-model.gguf" }))).toMatchObject({
      kind: "unavailable",
      scope: "model",
      reason: "model-missing",
      message: expect.stringMatching(/looked at .*no-such-model\.gguf.*scripts\/quickstart/),
    });
    await endpoint.close();
  });
});
