import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isOtherEndpoint } from "../../src/job/endpoints.ts";
import type { adapters } from "../../workers/index.ts";
import { callWith, connectTo, dialects } from "../conformance/dialects.ts";
import { programs } from "../conformance/programs.ts";
import { reply, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";

/** What scripts/try-backends recorded of real servers, by server: which adapter spoke, and what each end must be read as. */
const folder = join(import.meta.dirname, "../fixtures");
const servers: Readonly<Record<string, { provider: keyof typeof adapters; ends: Record<string, object> }>> = {
  "llama.cpp": {
    provider: "openai-compatible",
    ends: {
      answer: { kind: "answered", answer: { model: "smollm2-135m" } },
      options: { kind: "answered", answer: { usage: { outputTokens: 3 } } },
      // This server takes any model name, and any temperature.
      "unknown-model": { kind: "answered" },
      "wrong-option": { kind: "answered" },
      "too-long": { kind: "context-overflow", message: expect.stringContaining("12031 tokens") },
      "too-long.2": { kind: "context-overflow" },
      completion: { kind: "answered", answer: { finishReason: "length", usage: { inputTokens: 5, outputTokens: 4 } } },
      // It takes an answer that was cut for a whole one.
      response: { kind: "answered", answer: { finishReason: "stop", usage: { inputTokens: 33, outputTokens: 4 } } },
      embedding: { kind: "rejected", message: expect.stringContaining("Start it with `--embeddings`") },
    },
  },
  // The same server, started for that.
  "llama.cpp-embeddings": {
    provider: "openai-compatible",
    ends: {
      embedding: {
        kind: "answered",
        answer: {
          usage: { inputTokens: 1 },
          openaiBody: { data: [{ embedding: expect.arrayContaining([expect.any(Number)]) }] },
        },
      },
    },
  },
  // The same server behind LiteLLM's proxy (1.106).
  litellm: {
    provider: "openai-compatible",
    ends: {
      answer: { kind: "answered", answer: { model: "gateway-model", usage: { inputTokens: 37, cachedTokens: 29 } } },
      options: { kind: "answered", answer: { usage: { outputTokens: 3 } } },
      "unknown-model": { kind: "unavailable", scope: "model", reason: "model-missing" },
      "wrong-option": { kind: "answered" },
      "too-long": { kind: "context-overflow", message: expect.stringContaining("12031 tokens") },
      "too-long.2": { kind: "context-overflow" },
    },
  },
  // The same server, asked as Anthropic is.
  "llama.cpp-messages": {
    provider: "anthropic",
    ends: {
      answer: {
        kind: "answered",
        answer: {
          model: "smollm2-135m",
          finishReason: "length",
          usage: { inputTokens: 37, outputTokens: 24, cachedTokens: 36 },
        },
      },
      options: { kind: "answered", answer: { usage: { inputTokens: 32, outputTokens: 3 } } },
      "unknown-model": { kind: "answered" },
      "wrong-option": { kind: "answered" },
      "too-long": { kind: "context-overflow", message: expect.stringContaining("12031 tokens") },
    },
  },
  vllm: {
    provider: "vllm",
    ends: {
      answer: { kind: "answered", answer: { model: "pf-tiny", usage: { inputTokens: 30, outputTokens: 24 } } },
      options: { kind: "answered", answer: { usage: { outputTokens: 3 } } },
      "unknown-model": { kind: "unavailable", scope: "model", reason: "model-missing" },
      "wrong-option": { kind: "rejected", message: expect.stringContaining("temperature must be non-negative") },
      "too-long": { kind: "context-overflow" },
      "too-long.2": { kind: "context-overflow" },
      "limit-too-high": { kind: "context-overflow" },
      completion: { kind: "answered", answer: { finishReason: "length", usage: { inputTokens: 19, outputTokens: 4 } } },
      response: { kind: "answered", answer: { finishReason: "length", usage: { inputTokens: 17, outputTokens: 4 } } },
      embedding: { kind: "rejected", message: expect.stringContaining("/v1/embeddings is not there") },
      "quotes-the-prompt": { kind: "rejected", message: expect.not.stringContaining("secret") },
    },
  },
  ollama: {
    provider: "ollama",
    ends: {
      "answer.2": { kind: "answered", answer: { model: "pf-tiny:latest", finishReason: "length" } },
      options: { kind: "answered", answer: { usage: { outputTokens: 3 } } },
      "unknown-model": { kind: "unavailable", scope: "model", reason: "model-missing" },
      "wrong-option": { kind: "answered" },
      "too-long": { kind: "context-overflow" },
    },
  },
};

interface Recorded {
  readonly request: { readonly path: string };
  readonly response: { readonly status: number; readonly headers: Record<string, string>; readonly body: string };
}

const readRecorded = (server: string, name: string): Recorded =>
  JSON.parse(readFileSync(join(folder, server, `${name}.json`), "utf8"));

describe.each(Object.entries(servers))("what a real %s said", (name, { provider, ends }) => {
  const chatPath = dialects[provider]?.chatPath;
  let server: ScriptedServer;
  beforeAll(async () => {
    server = await startScriptedServer();
  });
  afterAll(() => server.close());

  it("is read in full: every recorded end has its meaning here", () => {
    const recorded = globSync("*.json", { cwd: join(folder, name) }).map((file) => basename(file, ".json"));
    const chats = recorded.filter((one) => readRecorded(name, one).request.path === chatPath);
    const known = Object.keys(ends).filter((one) => readRecorded(name, one).request.path === chatPath);
    expect(chats.sort()).toEqual(known.sort());
  });

  it.each(Object.entries(ends))("is understood: %s", async (file, expected) => {
    const { request, response } = readRecorded(name, file);
    server.play((received, answer) => {
      const show = reply(200, { "content-type": "application/json" }, JSON.stringify({ model_info: {} }));
      const play = reply(response.status, response.headers, response.body);
      (received.path === "/api/show" && request.path !== "/api/show" ? show : play)(received, answer);
    });
    const endpoint = connectTo(provider, server);
    const secret = { messages: [{ role: "user" as const, content: "Hi, my secret is 12345678 and more text" }] };
    const asked = isOtherEndpoint(request.path)
      ? { messages: [], endpoint: request.path, openaiBody: { input: "one" } }
      : secret;
    expect(await endpoint.call(callWith({ request: asked }))).toMatchObject(expected);
    await endpoint.close();
  });
});

it("has no fixture that no server here claims", () => {
  const folders = new Set(globSync("*/*.json", { cwd: folder }).map((file) => dirname(file)));
  // Those of programs have a test of their own.
  expect([...folders].sort()).toEqual([...Object.keys(servers), ...Object.keys(programs)].sort());
});
