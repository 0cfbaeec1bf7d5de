import type { BatchRecord } from "./batch-record.ts";

/** Something to tell: ids and counts, never what a row holds. */
export interface ServeEvent {
  /** The same however often it is sent, so that receivers can tell. */
  readonly id: string;
  readonly type: string;
  /** Its JSON: Standard Webhooks' fields, and those of OpenAI's events, so that its SDKs can unwrap them. */
  readonly body: string;
}

/** What is told of a batch that has ended. */
export function batchEvent(record: BatchRecord): ServeEvent {
  const { id, status, reachedAtMs, counts, usage } = record;
  const atMs = reachedAtMs[status] ?? Date.now();
  return eventOf(`evt_${id}_${status}`, `batch.${status}`, atMs, {
    id,
    status,
    endpoint: record.endpoint,
    request_counts: counts,
    input_file_id: record.inputFileId ?? null,
    output_file_id: record.outputFileId ?? null,
    error_file_id: record.errorFileId ?? null,
    usage: { input_tokens: usage.inputTokens, output_tokens: usage.outputTokens },
    cost_usd: record.costUsd,
    created_at: seconds(record.createdAtMs),
  });
}

/** What is told when a tier has spent what it may spend on a day (UTC). */
export function budgetEvent(tier: string, dailyBudgetUsd: number, atMs: number): ServeEvent {
  const day = dayOf(atMs);
  return eventOf(`evt_budget_${tier}_${day}`, "tier.budget_reached", atMs, {
    id: tier,
    tier,
    day,
    daily_budget_usd: dailyBudgetUsd,
  });
}

export const dayOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 10);

function eventOf(id: string, type: string, atMs: number, data: Record<string, unknown>): ServeEvent {
  const body = { id, object: "event", type, created_at: seconds(atMs), timestamp: new Date(atMs).toISOString(), data };
  return { id, type, body: JSON.stringify(body) };
}

const seconds = (ms: number): number => Math.floor(ms / 1_000);
