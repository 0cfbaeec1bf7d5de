import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { callWith, connectTo, forChat } from "../conformance/dialects.ts";
import { reply, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";

/*
 * No cloud can be asked from here. These bodies are what their documentation shows and what users of theirs reported
 * (request ids taken out), each with its source.
 */
interface Documented {
  readonly what: string;
  readonly source: string;
  readonly status: number;
  readonly body: object;
  readonly expected: object;
}

const claudeErrors = "https://platform.claude.com/docs/en/api/errors";
const sdkTypes = "@anthropic-ai/sdk 1.12.0, resources/shared.d.ts";
const claudeError = (type: string, message: string, details?: object) => ({
  type: "error",
  error: { type, message, ...(details && { details }) },
  request_id: "req_1",
});
const openaiError = (message: string, type: string, param: string | null, code: string | null) => ({
  error: { message, type, param, code },
});

const answers: Readonly<Record<"anthropic" | "openai", readonly Documented[]>> = {
  anthropic: [
    {
      what: "an answer",
      source: "https://platform.claude.com/docs/en/api/messages, with the usage of the SDK's types",
      status: 200,
      body: {
        id: "msg_013Zva2CMHLNnXjNJJKqJ2EF",
        type: "message",
        role: "assistant",
        model: "claude-haiku-5-5",
        content: [
          { type: "thinking", thinking: "A greeting.", signature: "EqQB" },
          { type: "text", text: "Hi! My name is Claude.", citations: null },
        ],
        stop_reason: "end_turn",
        stop_sequence: null,
        usage: {
          input_tokens: 2_095,
          cache_creation_input_tokens: 2_051,
          cache_read_input_tokens: 5_000,
          output_tokens: 503,
          service_tier: "standard",
        },
      },
      expected: {
        kind: "answered",
        answer: {
          text: "Hi! My name is Claude.",
          finishReason: "stop",
          usage: { inputTokens: 9_146, outputTokens: 503, cachedTokens: 5_000 },
          model: "claude-haiku-5-5",
        },
      },
    },
    {
      what: "a refusal",
      source: "@anthropic-ai/sdk 1.12.0, RefusalStopDetails",
      status: 200,
      body: {
        id: "msg_1",
        type: "message",
        role: "assistant",
        model: "claude-opus-5-5",
        content: [],
        stop_reason: "refusal",
        stop_details: { type: "refusal", category: "cyber", explanation: "It asks for malware." },
        usage: { input_tokens: 20, output_tokens: 0 },
      },
      expected: { kind: "content-filtered", message: expect.stringContaining("(cyber)") },
    },
    {
      what: "an overload",
      source: claudeErrors,
      status: 529,
      body: claudeError("overloaded_error", "Overloaded"),
      expected: { kind: "throttled" },
    },
    {
      what: "a monthly limit of its tier",
      source: sdkTypes,
      status: 429,
      body: claudeError("rate_limit_error", "limit", { error_code: "enforced_spend_limit_reached" }),
      expected: { kind: "unavailable", scope: "tier", reason: "spend-limit" },
    },
    {
      what: "the limit of a contract",
      source: sdkTypes,
      status: 429,
      body: claudeError("rate_limit_error", "limit", { error_code: "contract_spend_limit_reached" }),
      expected: { kind: "unavailable", scope: "tier", reason: "spend-limit" },
    },
    {
      what: "a usage that grows too fast",
      source: sdkTypes,
      status: 429,
      body: claudeError("rate_limit_error", "limit", { error_code: "ramp_limit_exceeded" }),
      expected: { kind: "throttled" },
    },
    {
      what: "a limit that the owner set",
      source: "https://www.developersdigest.tech/errors/api/anthropic-api (400, spend limit reached)",
      status: 400,
      body: claudeError(
        "invalid_request_error",
        "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.",
      ),
      expected: { kind: "unavailable", scope: "tier", reason: "spend-limit" },
    },
    {
      what: "an empty account",
      source: "https://github.com/anthropics/claude-code/issues/66314",
      status: 400,
      body: claudeError(
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
      ),
      expected: { kind: "unavailable", scope: "tier", reason: "no-credit" },
    },
    {
      what: "a bill that was not paid",
      source: claudeErrors,
      status: 402,
      body: claudeError("billing_error", "Billing error"),
      expected: { kind: "unavailable", scope: "tier", reason: "no-credit" },
    },
    {
      what: "an unknown model",
      source: claudeErrors,
      status: 404,
      body: claudeError("not_found_error", "model: claude-haiku-9"),
      expected: { kind: "unavailable", scope: "model", reason: "model-missing" },
    },
    {
      what: "a prompt that is too long",
      source: "https://github.com/anthropics/claude-code/issues (many)",
      status: 400,
      body: claudeError("invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum"),
      expected: { kind: "context-overflow" },
    },
  ],
  openai: [
    {
      what: "an answer",
      source: "https://platform.openai.com/docs/api-reference/chat/object",
      status: 200,
      body: {
        id: "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
        object: "chat.completion",
        created: 1_741_570_283,
        model: "gpt-4o-2024-08-06",
        choices: [
          {
            index: 0,
            message: { role: "assistant", content: "Hello!", refusal: null, annotations: [] },
            logprobs: null,
            finish_reason: "stop",
          },
        ],
        usage: {
          prompt_tokens: 1_117,
          completion_tokens: 46,
          total_tokens: 1_163,
          prompt_tokens_details: { cached_tokens: 1_024, audio_tokens: 0 },
          completion_tokens_details: { reasoning_tokens: 0 },
        },
        service_tier: "flex",
        system_fingerprint: "fp_fc9f1d7035",
      },
      expected: {
        kind: "answered",
        answer: {
          text: "Hello!",
          usage: { inputTokens: 1_117, outputTokens: 46, cachedTokens: 1_024 },
          model: "gpt-4o-2024-08-06",
          priceFactor: 0.5,
        },
      },
    },
    {
      what: "a quota that is used up",
      source: "https://github.com/ChatGPTNextWeb/NextChat/issues/3664",
      status: 429,
      body: openaiError(
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
        null,
        "insufficient_quota",
      ),
      expected: { kind: "unavailable", scope: "tier", reason: "no-credit" },
    },
    {
      what: "no room in the flex tier",
      source: "https://platform.openai.com/docs/guides/flex-processing (429 Resource Unavailable)",
      status: 429,
      body: openaiError("Resource unavailable", "rate_limit_error", null, "resource_unavailable"),
      expected: { kind: "throttled" },
    },
    {
      what: "an unknown model",
      source: "https://platform.openai.com/docs/guides/error-codes",
      status: 404,
      body: openaiError(
        "The model `gpt-9` does not exist or you do not have access to it.",
        "invalid_request_error",
        null,
        "model_not_found",
      ),
      expected: { kind: "unavailable", scope: "model", reason: "model-missing" },
    },
    {
      what: "an answer that a filter left nothing of",
      source: "openai 7.57.0, ChatCompletion.Choice.finish_reason",
      status: 200,
      body: {
        model: "gpt-4o",
        choices: [{ index: 0, message: { role: "assistant", content: null }, finish_reason: "content_filter" }],
      },
      expected: { kind: "content-filtered" },
    },
  ],
};

describe.each(["anthropic", "openai"] as const)("what %s is documented to say", (provider) => {
  let server: ScriptedServer;
  beforeAll(async () => {
    server = await startScriptedServer();
  });
  afterAll(() => server.close());

  it.each(answers[provider])("is understood: $what ($source)", async ({ status, body, expected }) => {
    const endpoint = connectTo(provider, server);
    server.play(forChat(reply(status, { "content-type": "application/json" }, JSON.stringify(body))));
    expect(await endpoint.call(callWith())).toMatchObject(expected);
    await endpoint.close();
  });
});
