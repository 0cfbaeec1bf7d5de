import { describe, expect, it } from "vitest";
import { classifyResponse } from "../../workers/classify.ts";
import { retryAfterMs } from "../../workers/retry-after.ts";

const classify = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  classifyResponse(
    { kind: "response", status, headers, text: typeof body === "string" ? body : JSON.stringify(body) },
    { host: "api.example.com" },
  );
const error = (message: string, codes: Record<string, unknown> = {}) => ({ error: { message, ...codes } });

describe("an error of a backend", () => {
  it.each<[string, number, unknown, object]>([
    [
      "a quota that is used up is no matter of waiting",
      429,
      error("You exceeded your current quota, please check your plan", {
        code: "insufficient_quota",
        type: "insufficient_quota",
      }),
      { kind: "unavailable", scope: "tier", reason: "no-credit" },
    ],
    [
      "nor is a spend limit",
      429,
      {
        type: "error",
        error: { type: "rate_limit_error", message: "limit", details: { error_code: "enforced_spend_limit_reached" } },
      },
      { kind: "unavailable", scope: "tier", reason: "spend-limit" },
    ],
    [
      "an image for a model that sees none, as llama.cpp says it",
      500,
      error("image input is not supported - hint: if this is unexpected, you may need to provide the mmproj", {}),
      { kind: "rejected" },
    ],
    [
      "Anthropic's word for an empty account",
      400,
      error("Your credit balance is too low to access the Claude API.", { type: "invalid_request_error" }),
      { kind: "unavailable", scope: "tier", reason: "no-credit" },
    ],
    [
      "OpenAI's hard limit of a month",
      400,
      error("Billing hard limit has been reached", { code: "billing_hard_limit_reached" }),
      { kind: "unavailable", scope: "tier", reason: "no-credit" },
    ],
    [
      "a prompt that is longer than a minute's quota",
      429,
      error("Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000.", {
        type: "tokens",
        code: "rate_limit_exceeded",
      }),
      { kind: "context-overflow" },
    ],
    [
      "OpenAI's refusal of a prompt",
      400,
      error("Invalid prompt: your prompt was flagged", { code: "invalid_prompt" }),
      { kind: "content-filtered" },
    ],
    ["OpenAI's length code", 400, error("too long", { code: "context_length_exceeded" }), { kind: "context-overflow" }],
    [
      "LocalAI's length under 500",
      500,
      { error: { code: 500, message: "rpc error: prompt exceeds context size", type: "" } },
      { kind: "context-overflow" },
    ],
    ["OpenAI's filter", 400, error("flagged", { code: "content_policy_violation" }), { kind: "content-filtered" }],
    [
      "Azure's filter",
      400,
      error("filtered", { code: "content_filter", innererror: { code: "ResponsibleAIPolicyViolation" } }),
      { kind: "content-filtered" },
    ],
    ["a model code under 400", 400, error("no", { code: "model_not_found" }), { kind: "unavailable", scope: "model" }],
    ["model words under 400", 400, error("Model Not Exist"), { kind: "unavailable", scope: "model" }],
    [
      "no access to a model",
      403,
      error("Project has no access to model gpt-9"),
      { kind: "unavailable", scope: "model", reason: "no-permission" },
    ],
    [
      "FastAPI's unknown path",
      404,
      { detail: "Not Found" },
      { kind: "unreachable", message: expect.stringContaining("baseUrl") },
    ],
    [
      "FastAPI's validation",
      422,
      { detail: [{ msg: "field required" }] },
      { kind: "rejected", message: expect.stringContaining("field required") },
    ],
    [
      "LocalAI while it loads",
      503,
      { error: { code: "model_loading", message: "model is loading", type: "" } },
      { kind: "throttled" },
    ],
    [
      "Ollama's full queue",
      503,
      { error: "server busy, please try again.  maximum pending requests exceeded" },
      {
        kind: "throttled",
        message: "api.example.com answers 503: server busy, please try again. maximum pending requests exceeded",
      },
    ],
    ["an empty body", 500, "", { kind: "server-error", message: "api.example.com answers 500" }],
    [
      "a page",
      502,
      "<html><head><title>502 Bad Gateway</title></head></html>",
      { kind: "server-error", message: "api.example.com answers 502: 502 Bad Gateway" },
    ],
  ])("%s", (_what, status, body, expected) => {
    expect(classify(status, body)).toMatchObject(expected);
  });

  it("does not take every mention of a model for a missing one", () => {
    expect(classify(400, error("temperature is not allowed for this model"))).toMatchObject({ kind: "rejected" });
  });
});

describe("the time to wait", () => {
  const now = Date.UTC(2026, 10, 24, 12, 0, 0);
  it.each<[string, Record<string, string | string[]>, number | undefined]>([
    ["seconds", { "retry-after": "2" }, 2_000],
    ["parts of a second", { "retry-after": "0.25" }, 250],
    ["nothing to wait", { "retry-after": "0" }, 0],
    ["a day", { "retry-after": "86400" }, 86_400_000],
    ["more than a timer can count", { "retry-after": "99999999999" }, 2_147_483_647],
    ["milliseconds first", { "retry-after-ms": "1500", "retry-after": "9" }, 1_500],
    ["seconds when the milliseconds are wrong", { "retry-after-ms": "-1", "retry-after": "9" }, 9_000],
    ["a date to come", { "retry-after": "Tue, 24 Nov 2026 12:00:30 GMT" }, 30_000],
    ["a date that is past", { "retry-after": "Tue, 24 Nov 2026 11:00:00 GMT" }, undefined],
    ["a negative number", { "retry-after": "-30" }, undefined],
    ["nonsense", { "retry-after": "soon" }, undefined],
    ["two headers", { "retry-after": ["4", "5"] }, 4_000],
    ["none", {}, undefined],
  ])("is read from %s", (_what, headers, expected) => {
    expect(retryAfterMs(headers, now)).toBe(expected);
  });
});
