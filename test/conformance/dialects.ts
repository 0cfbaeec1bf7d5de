import { expect } from "vitest";
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
  /** The messages of a request body, system messages among them. */
  messagesOf(body: Record<string, unknown>): unknown;
  /** The options of a request body, by their flat-row names. */
  optionsOf(body: Record<string, unknown>): Record<string, unknown>;
  /** What a request body asks the backend to hold its answer to: a schema, or choices. */
  constraintOf(body: Record<string, unknown>): unknown;
  /** Options that it cannot take, by their flat-row names. */
  readonly refuses: readonly string[];
  /** A success without anything that could be an answer. */
  readonly noChoices: string;
  /** An answer that comes in pieces. */
  readonly pieces: Pieces;
}

/** What is written one after the other. */
interface Pieces {
  readonly contentType: string;
  readonly start: string;
  delta(text: string): string;
  end(usage: { input: number; output: number }): string;
  error(message: string): string;
}

const event = (data: object, name?: string): string =>
  `${name === undefined ? "" : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`;
const chunk = (choices: readonly object[], more: object = {}): string =>
  event({ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1, model: "served-model", choices, ...more });

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
  messagesOf: ({ messages }) => messages,
  optionsOf: ({ max_tokens, temperature, top_p, stop, seed }) => ({ max_tokens, temperature, top_p, stop, seed }),
  constraintOf({ response_format, structured_outputs }) {
    const { json_schema } = (response_format ?? {}) as { json_schema?: { schema: unknown } };
    return json_schema?.schema ?? (structured_outputs as { choice: unknown } | undefined)?.choice;
  },
  refuses: [],
  noChoices: JSON.stringify({ id: "x", choices: [] }),
  pieces: {
    contentType: "text/event-stream; charset=utf-8",
    start: `: hello\n\n${chunk([{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }])}`,
    delta: (content) => chunk([{ index: 0, delta: { content }, finish_reason: null }]),
    end: ({ input, output }) =>
      `${chunk([{ index: 0, delta: {}, finish_reason: "stop" }])}${chunk([], { usage: { prompt_tokens: input, completion_tokens: output } })}data: [DONE]\n\n`,
    error: (message) => event({ error: { message, type: "server_error", code: 500 } }),
  },
};

const openaiCloudDialect: Dialect = {
  ...openaiDialect,
  optionsOf: ({ max_completion_tokens, ...others }) => {
    expect(others).not.toHaveProperty("max_tokens");
    return { ...openaiDialect.optionsOf(others), max_tokens: max_completion_tokens };
  },
};

const anthropicDialect: Dialect = {
  chatPath: "/v1/messages",
  basePath: "",
  modelsPath: "/v1/models?limit=1000",
  answer: (text, usage) =>
    JSON.stringify({
      id: "msg_1",
      type: "message",
      role: "assistant",
      model: "served-model",
      content: [{ type: "text", text }],
      stop_reason: "end_turn",
      stop_sequence: null,
      ...(usage && {
        usage: {
          input_tokens: usage.input - 2,
          cache_creation_input_tokens: 1,
          cache_read_input_tokens: 1,
          output_tokens: usage.output,
        },
      }),
    }),
  models: (names) => JSON.stringify({ data: names.map((id) => ({ id, type: "model" })), has_more: false }),
  error: (message, code) =>
    JSON.stringify({ type: "error", error: { type: code ?? "some_error", message }, request_id: "req_1" }),
  messagesOf: ({ system, messages }) => [{ role: "system", content: system }, ...(messages as object[])],
  optionsOf: ({ max_tokens, temperature, top_p, stop_sequences, seed }) => ({
    max_tokens,
    temperature,
    top_p,
    stop: stop_sequences,
    seed,
  }),
  constraintOf: ({ output_config }) => (output_config as { format: { schema: unknown } } | undefined)?.format.schema,
  refuses: ["temperature", "top_p", "seed"],
  noChoices: JSON.stringify({ id: "msg_1", type: "message", role: "assistant", stop_reason: "end_turn" }),
  pieces: {
    contentType: "text/event-stream; charset=utf-8",
    start:
      event(
        {
          type: "message_start",
          message: { id: "msg_1", model: "served-model", content: [], usage: { input_tokens: 9, output_tokens: 1 } },
        },
        "message_start",
      ) +
      event(
        { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
        "content_block_start",
      ),
    delta: (text) =>
      event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } }, "content_block_delta"),
    end: ({ output }) =>
      event({ type: "content_block_stop", index: 0 }, "content_block_stop") +
      event(
        { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: output } },
        "message_delta",
      ) +
      event({ type: "message_stop" }, "message_stop"),
    error: (message) => event({ type: "error", error: { type: "api_error", message } }, "error"),
  },
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
  messagesOf: ({ messages }) => messages,
  constraintOf: ({ format }) => format,
  refuses: [],
  optionsOf({ options }) {
    const { num_predict, temperature, top_p, stop, seed } = options as Record<string, unknown>;
    return { max_tokens: num_predict, temperature, top_p, stop, seed };
  },
  noChoices: JSON.stringify({ model: "served-model", done: true }),
  pieces: {
    contentType: "application/x-ndjson",
    start: "",
    delta: (content) =>
      `${JSON.stringify({ model: "served-model", message: { role: "assistant", content }, done: false })}\n`,
    end: ({ input, output }) =>
      `${JSON.stringify({
        model: "served-model",
        message: { role: "assistant", content: "" },
        ...{ done: true, done_reason: "stop", prompt_eval_count: input, eval_count: output },
      })}\n`,
    error: (message) => `${JSON.stringify({ error: message })}\n`,
  },
};

/** Every adapter that speaks HTTP; an adapter without an entry here fails the suite. */
export const dialects: Readonly<Partial<Record<keyof typeof adapters, Dialect>>> = {
  anthropic: anthropicDialect,
  openai: openaiCloudDialect,
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
