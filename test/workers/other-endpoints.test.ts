import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { providerFacts } from "../../src/config/providers.ts";
import { type OtherEndpoint, otherEndpoints } from "../../src/job/endpoints.ts";
import type { Endpoint } from "../../workers/adapter.ts";
import type { adapters } from "../../workers/index.ts";
import { callWith, connectTo, dialects } from "../conformance/dialects.ts";
import { reply, replyJson, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";
import { embeddingsOf, responseOf, textCompletionOf } from "../support/simulated-answers.ts";

const providers = (Object.keys(dialects) as (keyof typeof adapters)[]).filter((provider) =>
  providerFacts[provider].endpoints?.includes("/v1/responses"),
);
const said = (body: object) => ({ key: "", ask: 1, request: 1, body: { model: "served-model", ...body }, headers: {} });
const usage = { inputTokens: 20, outputTokens: 5, cachedTokens: 0 };

/** What is asked at each endpoint, what a healthy server answers, and what of it is read. */
const cases: Readonly<
  Record<OtherEndpoint, { readonly body: object; readonly answer: string; readonly read: object }>
> = {
  "/v1/responses": {
    body: { input: "Hello?", reasoning: { effort: "low" } },
    answer: responseOf(said({}), "Hello!"),
    read: { text: "Hello!", finishReason: "stop", usage: { ...usage, cachedTokens: 4 } },
  },
  "/v1/embeddings": {
    body: { input: ["one", "two"], dimensions: 2 },
    answer: embeddingsOf(said({ input: ["one", "two"] })),
    read: { text: "", usage: { ...usage, outputTokens: 0 } },
  },
  "/v1/completions": {
    body: { prompt: "Once", suffix: "end" },
    answer: textCompletionOf(said({}), " upon a time"),
    read: { text: " upon a time", finishReason: "stop", usage },
  },
};

describe.each(providers)("the adapter for %s", (provider) => {
  let server: ScriptedServer;
  let endpoint: Endpoint;
  beforeEach(async () => {
    server = await startScriptedServer();
    endpoint = connectTo(provider, server);
  });
  afterEach(async () => {
    await endpoint.close();
    await server.close();
  });
  const asked = (at: OtherEndpoint, body: object = cases[at].body) =>
    endpoint.call(callWith({ request: { messages: [], endpoint: at, openaiBody: { ...body } } }));

  it.each(otherEndpoints)("asks at %s what the line says, and gives the answer back whole", async (at) => {
    const { body, answer, read } = cases[at];
    server.play(replyJson(200, answer));
    const outcome = await asked(at, { ...body, stream: false, background: true });
    expect(server.received.map(({ path, body }) => [path, JSON.parse(body)])).toEqual([
      [at, { ...body, model: "some-model" }],
    ]);
    expect(outcome).toMatchObject({
      kind: "answered",
      answer: { ...read, model: "served-model", openaiBody: JSON.parse(answer) },
    });
  });

  it.each(otherEndpoints)("takes a success of %s without what it is asked for, for no answer", async (at) => {
    for (const body of ["{}", "[]", '{"data":[]}', '{"data":[{"embedding":[]}]}', '{"choices":[{}]}', "<html>"]) {
      server.play(replyJson(200, body));
      expect(await asked(at)).toMatchObject({ kind: "invalid-answer" });
    }
  });

  it.each([
    [404, '{"detail":"Not Found"}'],
    [405, ""],
    [501, '{"error":{"message":"This server does not support embeddings. Start it with `--embeddings`"}}'],
    [404, '{"error":{"message":"This is a chat model and not supported in the v1/completions endpoint."}}'],
    [403, '{"error":{"message":"You are not allowed to generate embeddings from this model"}}'],
  ])(
    "rejects a row where the backend answers %i %s, and takes neither server nor model for lost",
    async (status, body) => {
      server.play(reply(status, { "content-type": "application/json" }, body));
      expect(await asked("/v1/embeddings")).toMatchObject({
        kind: "rejected",
        message: expect.stringContaining("(/v1/embeddings is not there for this model)"),
      });
    },
  );

  it("waits for a model that is missing, also at another endpoint", async () => {
    server.play(
      reply(404, {}, '{"error":{"message":"The model `x` does not exist.","type":"NotFoundError","code":404}}'),
    );
    expect(await asked("/v1/embeddings")).toMatchObject({ kind: "unavailable", reason: "model-missing" });
  });
});

describe("a response", () => {
  let server: ScriptedServer;
  beforeEach(async () => {
    server = await startScriptedServer();
  });
  afterEach(() => server.close());

  it.each<[string, object, object]>([
    [
      "cut at its limit",
      { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } },
      { answer: { text: "Hello!", finishReason: "length" } },
    ],
    [
      "filtered before a word",
      { status: "incomplete", incomplete_details: { reason: "content_filter" }, output: [] },
      { kind: "content-filtered" },
    ],
    [
      "that calls a tool",
      { output: [{ type: "function_call", name: "look", arguments: "{}" }] },
      { answer: { text: "", finishReason: "tool_calls" } },
    ],
    [
      "that refuses",
      { output: [{ type: "message", content: [{ type: "refusal", refusal: "No." }] }] },
      { answer: { text: "No." } },
    ],
    [
      "that failed in the server",
      { status: "failed", error: { code: "server_error", message: "oops" } },
      { kind: "server-error" },
    ],
    [
      "that failed at a limit",
      { status: "failed", error: { code: "rate_limit_exceeded", message: "slow" } },
      { kind: "throttled" },
    ],
    [
      "that failed for its prompt",
      { status: "failed", error: { code: "invalid_image", message: "no image" } },
      { kind: "rejected" },
    ],
  ])("%s is read as that", async (_what, change, expected) => {
    const endpoint = connectTo("openai-compatible", server);
    server.play(replyJson(200, JSON.stringify({ ...JSON.parse(cases["/v1/responses"].answer), ...change })));
    const request = { messages: [], endpoint: "/v1/responses" as const, openaiBody: { input: "x" } };
    expect(await endpoint.call(callWith({ request }))).toMatchObject(expected);
    await endpoint.close();
  });
});
