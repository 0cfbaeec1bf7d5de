import type { BackendCall, Endpoint, EndpointOptions } from "../../workers/adapter.ts";
import { adapters } from "../../workers/index.ts";
import { replyJson, type Script, type ScriptedServer } from "../support/scripted-server.ts";

/** How one HTTP backend words what all of them say. */
export interface Dialect {
  readonly chatPath: string;
  /** What follows the server's origin in a base URL. */
  readonly basePath: string;
  answer(text: string, usage?: { input: number; output: number }): string;
  /** A list of models, and the path at which it is asked for. */
  readonly modelsPath: string;
  models(names: readonly string[]): string;
  error(message: string, code?: string): string;
  /** The options of a request body, by their flat-row names. */
  optionsOf(body: Record<string, unknown>): Record<string, unknown>;
  /** A success without anything that could be an answer. */
  readonly noChoices: string;
}

const openaiDialect: Dialect = {
  chatPath: "/v1/chat/completions",
  basePath: "/v1",
  modelsPath: "/v1/models",
  answer: (text, usage) =>
    JSON.stringify({
      model: "served-model",
      choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }],
      ...(usage && {
        usage: {
          prompt_tokens: usage.input,
          completion_tokens: usage.output,
          prompt_tokens_details: { cached_tokens: 1 },
        },
      }),
    }),
  models: (names) => JSON.stringify({ object: "list", data: names.map((id) => ({ id, object: "model" })) }),
  error: (message, code) => JSON.stringify({ error: { message, type: "some_error", param: null, code: code ?? null } }),
  optionsOf: ({ max_tokens, temperature, top_p, stop, seed }) => ({ max_tokens, temperature, top_p, stop, seed }),
  noChoices: JSON.stringify({ id: "x", choices: [] }),
};

const ollamaDialect: Dialect = {
  chatPath: "/api/chat",
  basePath: "",
  modelsPath: "/api/tags",
  answer: (text, usage) =>
    JSON.stringify({
      model: "served-model",
      message: { role: "assistant", content: text },
      done: true,
      done_reason: "stop",
      ...(usage && { prompt_eval_count: usage.input, eval_count: usage.output }),
    }),
  models: (names) => JSON.stringify({ models: names.map((name) => ({ name, model: name })) }),
  error: (message) => JSON.stringify({ error: message }),
  optionsOf({ options }) {
    const { num_predict, temperature, top_p, stop, seed } = options as Record<string, unknown>;
    return { max_tokens: num_predict, temperature, top_p, stop, seed };
  },
  noChoices: JSON.stringify({ model: "served-model", done: true }),
};

/** Every adapter that speaks HTTP; an adapter without an entry here fails the suite. */
export const dialects: Readonly<Partial<Record<keyof typeof adapters, Dialect>>> = {
  "openai-compatible": openaiDialect,
  vllm: openaiDialect,
  localai: openaiDialect,
  ollama: ollamaDialect,
};

export const apiKey = "sk-conformance-0123456789abcdef";
export const prompt = "My cat is called Mitzi and she lives in Graz.";

export function connectTo(
  provider: keyof typeof adapters,
  server: ScriptedServer,
  options: Partial<EndpointOptions> = {},
): Endpoint {
  return adapters[provider].connect({
    tier: "some-tier",
    baseUrl: `${server.origin}${dialects[provider]?.basePath}`,
    apiKey,
    location: "local",
    trustedHosts: [],
    concurrency: 4,
    ...options,
  });
}

export function callWith(change: Partial<BackendCall> = {}): BackendCall {
  return {
    model: "some-model",
    request: { messages: [{ role: "user", content: prompt }] },
    maxOutputTokens: 77,
    defaults: {},
    strict: false,
    private: false,
    signal: new AbortController().signal,
    timeoutMs: 10_000,
    ...change,
  };
}

/** Plays the script for chat requests; what else the adapter asks first is answered as a healthy server would. */
export function forChat(script: Script): Script {
  const healthy = replyJson(200, JSON.stringify({ model_info: {}, parameters: "", details: {} }));
  return (request, response) => (request.path === "/api/show" ? healthy : script)(request, response);
}
