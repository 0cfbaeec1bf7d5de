import { afterEach, beforeEach, expect, it } from "vitest";
import type { OtherEndpoint } from "../../src/job/endpoints.ts";
import type { Endpoint } from "../../workers/adapter.ts";
import { callWith, connectTo } from "../conformance/dialects.ts";
import { reply, replyJson, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";

let server: ScriptedServer;
let endpoint: Endpoint;
beforeEach(async () => {
  server = await startScriptedServer();
  endpoint = connectTo("ollama", server);
});
afterEach(async () => {
  await endpoint.close();
  await server.close();
});

function play(answer: unknown): void {
  server.play((request, response) =>
    replyJson(200, request.path === "/api/show" ? '{"parameters":"num_ctx 1024"}' : JSON.stringify(answer))(
      request,
      response,
    ),
  );
}
const ask = (at: OtherEndpoint, openaiBody: Record<string, unknown>, change = {}) =>
  endpoint.call(callWith({ request: { messages: [], endpoint: at, openaiBody }, ...change }));
const asked = () =>
  server.received.filter(({ path }) => path !== "/api/show").map(({ path, body }) => [path, JSON.parse(body)]);

it("goes on with a text as it is, without the model's template, and answers in OpenAI's words", async () => {
  play({
    model: "llama",
    response: " upon a time",
    done: true,
    done_reason: "length",
    prompt_eval_count: 1,
    eval_count: 3,
  });
  const outcome = await ask("/v1/completions", { prompt: "Once", max_tokens: 3, temperature: 0, stop: "." });
  expect(asked()).toEqual([
    [
      "/api/generate",
      {
        model: "some-model",
        prompt: "Once",
        raw: true,
        stream: false,
        truncate: false,
        shift: false,
        options: { num_ctx: 1_024, num_predict: 3, temperature: 0, stop: ["."] },
      },
    ],
  ]);
  expect(outcome).toMatchObject({
    kind: "answered",
    answer: {
      text: " upon a time",
      finishReason: "length",
      usage: { inputTokens: 1, outputTokens: 3 },
      openaiBody: { object: "text_completion", choices: [{ text: " upon a time", finish_reason: "length" }] },
    },
  });
});

it("fills in between two texts with the template that says how", async () => {
  play({ model: "llama", response: "x", done: true });
  await ask("/v1/completions", { prompt: "def f(", suffix: "return 1" });
  expect(asked()[0]![1]).toMatchObject({ suffix: "return 1" });
  expect(asked()[0]![1]).not.toHaveProperty("raw");
});

it("embeds texts, as numbers or as OpenAI's base64", async () => {
  play({
    model: "nomic",
    embeddings: [
      [1, 2],
      [0.5, -1],
    ],
    prompt_eval_count: 4,
  });
  const body = { input: ["one", "two"], dimensions: 2 };
  const usage = { prompt_tokens: 4, total_tokens: 4 };
  expect(await ask("/v1/embeddings", body)).toMatchObject({
    kind: "answered",
    answer: {
      openaiBody: {
        data: [
          { index: 0, embedding: [1, 2] },
          { index: 1, embedding: [0.5, -1] },
        ],
        usage,
      },
    },
  });
  expect(asked()[0]).toMatchObject(["/api/embed", { input: ["one", "two"], dimensions: 2, truncate: false }]);
  expect(await ask("/v1/embeddings", { ...body, encoding_format: "base64" })).toMatchObject({
    answer: { openaiBody: { data: [{ embedding: "AACAPwAAAEA=" }, {}] } },
  });
});

it("rejects what Ollama has no way to be asked, and names what it leaves out", async () => {
  play({ model: "llama", response: "x", done: true });
  for (const prompt of [["a", "b"], [1, 2], undefined]) {
    expect(await ask("/v1/completions", { prompt })).toMatchObject({ kind: "rejected" });
  }
  expect(await ask("/v1/embeddings", { input: [1, 2] })).toMatchObject({ kind: "rejected" });
  expect(await ask("/v1/completions", { prompt: "a", echo: true })).toMatchObject({
    answer: { omittedOptions: ["echo"] },
  });
  expect(await ask("/v1/completions", { prompt: "a", echo: true }, { strict: true })).toMatchObject({
    kind: "rejected",
  });
});

it.each(["/v1/completions", "/v1/embeddings"] as const)(
  "takes a success of %s without its part for no answer",
  async (at) => {
    for (const answer of [{}, [], { response: 7 }, { embeddings: [] }, { embeddings: [[]] }]) {
      play(answer);
      expect(await ask(at, { prompt: "a", input: "a" })).toMatchObject({ kind: "invalid-answer" });
    }
    server.play((request, response) =>
      (request.path === "/api/show" ? replyJson(200, "{}") : reply(200, {}, "<html>"))(request, response),
    );
    expect(await ask(at, { prompt: "a", input: "a" })).toMatchObject({ kind: "invalid-answer" });
  },
);

it("hands no private text to a model that runs elsewhere", async () => {
  server.play(replyJson(200, '{"remote_host":"https://ollama.com"}'));
  expect(await ask("/v1/embeddings", { input: "secret" }, { private: true })).toMatchObject({
    kind: "refused-by-policy",
  });
});
