import { LLMock } from "@copilotkit/aimock";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { OtherEndpoint } from "../../src/job/endpoints.ts";
import type { BackendCall, Endpoint } from "../../workers/adapter.ts";
import { adapters } from "../../workers/index.ts";
import { apiKey, callWith, dialects } from "./dialects.ts";

/* What others hold these APIs to be: npm's aimock, which knows nothing of our own simulated servers. */
const mock = new LLMock({ port: 0, host: "127.0.0.1", logLevel: "silent" });
const statuses = [400, 401, 402, 403, 429, 500, 529];

beforeAll(async () => {
  mock.onMessage("a greeting", { content: "Hi there!" });
  mock.onMessage("a long story", {
    content: "Once upon a",
    finishReason: "length",
    usage: { prompt_tokens: 11, completion_tokens: 7 },
  });
  for (const status of statuses) {
    const type = status === 429 ? "rate_limit_error" : "some_error";
    mock.onMessage(`fail with ${status}`, { error: { message: `no: ${status}`, type }, status, retryAfter: 7 });
  }
  // The one question of the Ollama adapter that this mock has no answer for.
  mock.mount("/api/show", {
    async handleRequest(_request, response) {
      response.writeHead(200, { "content-type": "application/json" }).end('{"model_info":{},"details":{}}');
      return true;
    },
  });
  await mock.start();
});
afterAll(() => mock.stop());

describe.each(["openai", "anthropic", "ollama", "openai-compatible"] as const)("the adapter for %s", (provider) => {
  let connected: Endpoint;
  beforeEach(() => {
    connected = adapters[provider].connect({
      tier: "mocked",
      baseUrl: mock.url + dialects[provider]!.basePath,
      apiKey,
      location: "local",
      trustedHosts: [],
      concurrency: 4,
    });
  });
  afterEach(() => connected.close());
  const ask = (prompt: string, change: Partial<BackendCall> = {}) =>
    connected.call(
      callWith({
        ...change,
        request: {
          messages: [
            { role: "system", content: "Be short." },
            { role: "user", content: prompt },
          ],
          stop: ["END"],
        },
      }),
    );

  it("is answered", async () => {
    expect(await ask("a greeting")).toMatchObject({
      kind: "answered",
      answer: { text: "Hi there!", finishReason: "stop", model: "some-model" },
    });
    expect(await ask("a long story")).toMatchObject({
      kind: "answered",
      // Its Ollama knows one reason to stop, and counts no tokens.
      answer:
        provider === "ollama"
          ? { text: "Once upon a", finishReason: "stop" }
          : { text: "Once upon a", finishReason: "length", usage: { inputTokens: 11, outputTokens: 7 } },
    });
  });

  it("is answered in pieces as it is at once", async () => {
    for (const prompt of ["a greeting", "a long story"]) {
      const told: string[] = [];
      const inPieces = await ask(prompt, { onText: (delta) => told.push(delta) });
      expect(inPieces).toEqual(await ask(prompt));
      expect(told.join("")).toBe((inPieces as { answer: { text: string } }).answer.text);
    }
  });

  it("reads its errors as what they are", async () => {
    const kinds = await Promise.all(statuses.map(async (status) => (await ask(`fail with ${status}`)).kind));
    expect(kinds).toEqual([
      "rejected",
      "unavailable",
      "unavailable",
      "unavailable",
      "throttled",
      "server-error",
      "throttled",
    ]);
  });

  it.each([
    ["drops a request", "dropRate", { kind: "server-error" }],
    ["sends broken JSON", "malformedRate", { kind: "invalid-answer" }],
    ["closes the connection", "disconnectRate", { kind: "server-error" }],
    ["refuses for speed", "rateLimitRate", { kind: "throttled", retryAfterMs: 1_000 }],
  ])("survives a server that %s", async (_what, rate, expected) => {
    mock.setChaos({ [rate]: 1 });
    try {
      expect(await ask("a greeting")).toMatchObject(expected);
    } finally {
      mock.clearChaos();
    }
    expect(await ask("a greeting")).toMatchObject({ kind: "answered" });
  });

  it.runIf(provider.startsWith("openai"))("is answered at the other endpoints of OpenAI's API", async () => {
    const askAt = (endpoint: OtherEndpoint, openaiBody: object) =>
      connected.call(callWith({ request: { messages: [], endpoint, openaiBody: { ...openaiBody } } }));
    expect(await askAt("/v1/responses", { input: "a greeting" })).toMatchObject({
      kind: "answered",
      answer: { text: "Hi there!", finishReason: "stop", openaiBody: { object: "response" } },
    });
    expect(await askAt("/v1/embeddings", { input: ["a greeting", "another"] })).toMatchObject({
      kind: "answered",
      answer: { text: "", openaiBody: { object: "list", data: [{ index: 0 }, { index: 1 }] } },
    });
    expect((await askAt("/v1/responses", { input: "fail with 429" })).kind).toBe("throttled");
  });

  it("finds its models", async () => {
    expect(await connected.probe(new AbortController().signal)).toMatchObject({
      usable: true,
      models: expect.arrayContaining(["gpt-4o"]),
    });
  });
});
