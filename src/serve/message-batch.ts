import { type BatchRecord, finalStatuses } from "./batch-record.ts";

const time = (ms: number | undefined): string | null => (ms === undefined ? null : new Date(ms).toISOString());

/** A batch as Anthropic's API shows it; counts are as they are now, also while it runs. */
export function messageBatch(record: BatchRecord, resultsUrl: string): Record<string, unknown> {
  const { id, status, counts, reachedAtMs } = record;
  const hasEnded = finalStatuses.includes(status);
  const { cancelled, expired } = record.notAsked ?? { cancelled: 0, expired: 0 };
  const left = counts.total - counts.completed - counts.failed;
  return {
    id,
    type: "message_batch",
    processing_status: hasEnded ? "ended" : status === "cancelling" ? "canceling" : "in_progress",
    request_counts: {
      processing: hasEnded ? 0 : left,
      succeeded: counts.completed,
      errored: counts.failed - cancelled - expired + (hasEnded ? left : 0),
      canceled: cancelled,
      expired,
    },
    created_at: time(record.createdAtMs),
    expires_at: time(record.expiresAtMs),
    ended_at: hasEnded ? time(reachedAtMs[status]) : null,
    cancel_initiated_at: time(reachedAtMs.cancelling),
    archived_at: null,
    results_url: hasEnded ? resultsUrl : null,
  };
}
