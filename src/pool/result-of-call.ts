import type { ModelConfig } from "../config/config.ts";
import { costUsdOf } from "../config/price.ts";
import type { RowPayload } from "../job/batch.ts";
import type { Answer } from "../job/outcome.ts";
import { type ErrorCode, failedWithoutCall, type ResultLine } from "../job/result.ts";

/** A row that was asked. */
export interface AskedRow {
  /** Its position in the input. */
  readonly row: number;
  readonly payload: RowPayload;
  readonly model: ModelConfig;
  /** Errors of its own before this call. */
  readonly attempts: number;
}

/** What is known of an answer once it was held to the form that its row asks for. */
export interface CheckedAnswer {
  /** Calls beside the first one that asked for a better answer. */
  readonly repairs: number;
  /** It was twice not what the row asks for: what was wrong with it. */
  readonly misfit?: string;
  readonly json?: unknown;
}

/** The result of an answer: answered, or failed when it is twice not what the row asks for. */
export function answeredLine(
  { row, payload, model, attempts }: AskedRow,
  { latencyMs, repairs, misfit, json }: CheckedAnswer & { readonly latencyMs: number },
  { text, finishReason, usage, openaiBody, anthropicBody, costUsd, priceFactor = 1 }: Answer,
): ResultLine {
  return {
    id: payload.id,
    index: row,
    task: payload.task,
    status: misfit === undefined ? "answered" : "failed",
    text: payload.request.endpoint === "/v1/embeddings" ? null : text,
    ...(json === undefined ? {} : { json }),
    model: model.alias,
    tier: model.tier,
    finish_reason: finishReason,
    usage: { input_tokens: usage.inputTokens, output_tokens: usage.outputTokens, cached_tokens: usage.cachedTokens },
    cost_usd: costUsd ?? priceFactor * costUsdOf(usage, model.price),
    latency_ms: latencyMs,
    attempts: attempts + 1 + repairs,
    error:
      misfit === undefined
        ? null
        : { code: "invalid_answer", message: `the answer is not what the row asks for: ${misfit}` },
    ...(payload.metadata === undefined ? {} : { metadata: payload.metadata }),
    ...(openaiBody === undefined ? {} : { openai_body: openaiBody }),
    ...(anthropicBody === undefined ? {} : { anthropic_body: anthropicBody }),
  };
}

export function failedLine(
  { row, payload, model, attempts }: AskedRow,
  { latencyMs }: { readonly latencyMs: number },
  code: ErrorCode,
  message: string,
): ResultLine {
  return {
    ...failedWithoutCall(row, payload.id, payload.task, { code, message }, payload.metadata),
    model: model.alias,
    tier: model.tier,
    latency_ms: latencyMs,
    attempts: attempts + 1,
  };
}
