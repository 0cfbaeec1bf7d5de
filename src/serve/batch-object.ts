import type { BatchRecord, BatchStatus } from "./batch-record.ts";

const seconds = (ms: number | undefined): number | null => (ms === undefined ? null : Math.floor(ms / 1_000));

/**
 * A batch as OpenAI's API shows it; what is ours lies under `promptfleet`.
 * @param waits why it, or a part of it, does not go on.
 */
export function batchObject(record: BatchRecord, waits: readonly string[]): Record<string, unknown> {
  const at = (status: BatchStatus) => seconds(record.reachedAtMs[status]);
  const { inputTokens, outputTokens, cachedTokens } = record.usage;
  return {
    id: record.id,
    object: "batch",
    endpoint: record.endpoint,
    errors: record.errors.length === 0 ? null : { object: "list", data: record.errors },
    input_file_id: record.inputFileId ?? "",
    completion_window: record.completionWindow,
    status: record.status,
    output_file_id: record.outputFileId ?? null,
    error_file_id: record.errorFileId ?? null,
    created_at: seconds(record.createdAtMs),
    in_progress_at: at("in_progress"),
    expires_at: seconds(record.expiresAtMs),
    finalizing_at: at("finalizing"),
    completed_at: at("completed"),
    failed_at: at("failed"),
    expired_at: at("expired"),
    cancelling_at: at("cancelling"),
    cancelled_at: at("cancelled"),
    request_counts: record.counts,
    usage: {
      input_tokens: inputTokens,
      input_tokens_details: { cached_tokens: cachedTokens },
      output_tokens: outputTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: inputTokens + outputTokens,
    },
    metadata: Object.keys(record.metadata).length === 0 ? null : record.metadata,
    promptfleet: {
      api: record.api,
      weight: record.weight,
      paused: record.paused,
      waits: waits.length === 0 ? null : waits.join(" · "),
      cost_usd: record.costUsd,
    },
  };
}
