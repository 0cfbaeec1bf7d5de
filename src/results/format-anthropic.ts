import type { ErrorCode, ResultLine } from "../job/result.ts";

/** Why a request erred, in Anthropic's words for kinds of errors. */
const errorTypes: Readonly<Partial<Record<ErrorCode, string>>> = {
  invalid_row: "invalid_request_error",
  rejected: "invalid_request_error",
  content_filtered: "invalid_request_error",
  context_overflow: "invalid_request_error",
  policy_refused: "permission_error",
  budget_exhausted: "billing_error",
};

/**
 * A line of the results of an Anthropic batch. A succeeded request has the message as Anthropic gave it, or one made of
 * the flat fields where a model answered that speaks another dialect. The votes of a request that several models were
 * asked stand beside.
 */
export function formatAnthropicLine(result: ResultLine): string {
  return JSON.stringify({ custom_id: result.id, result: resultOf(result), consensus: result.consensus });
}

function resultOf(result: ResultLine): object {
  const { status, error } = result;
  if (status === "answered")
    return { type: "succeeded", message: result.anthropic_body ?? madeMessage(result, "batch") };
  const ending = error === null ? undefined : endingOf(error.code);
  if (ending !== undefined) return { type: ending };
  const type = (error && errorTypes[error.code]) ?? "api_error";
  return {
    type: "errored",
    error: { type: "error", error: { type, message: error?.message ?? "" }, request_id: null },
  };
}

/** How a request ended that nobody was asked about, where Anthropic has a word for it. */
export function endingOf(code: ErrorCode): "canceled" | "expired" | undefined {
  if (code === "cancelled") return "canceled";
  return code === "deadline_passed" ? "expired" : undefined;
}

/** The answer to one request of Anthropic's API. */
export function anthropicMessageOf(result: ResultLine): Readonly<Record<string, unknown>> {
  return result.anthropic_body ?? madeMessage(result, "standard");
}

function madeMessage(
  { index, text, model, finish_reason, usage }: ResultLine,
  serviceTier: "batch" | "standard",
): Readonly<Record<string, unknown>> {
  return {
    id: `msg_${index + 1}`,
    type: "message",
    role: "assistant",
    model,
    content: text === null || text === "" ? [] : [{ type: "text", text, citations: null }],
    stop_reason: stopReasonOf(finish_reason),
    stop_sequence: null,
    usage: {
      // What came out of a cache is counted apart here.
      input_tokens: usage.input_tokens - usage.cached_tokens,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: usage.cached_tokens,
      output_tokens: usage.output_tokens,
      service_tier: serviceTier,
    },
  };
}

/** OpenAI's words, which results have, in Anthropic's. */
function stopReasonOf(finishReason: string | null): string {
  switch (finishReason) {
    case "length":
      return "max_tokens";
    case "content_filter":
      return "refusal";
    case "tool_calls":
      return "tool_use";
    default:
      return "end_turn";
  }
}
