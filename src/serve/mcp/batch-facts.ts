import { z } from "zod";
import { UserError } from "../../job/errors.ts";
import { type BatchRecord, finalStatuses } from "../batch-record.ts";
import { batchWaits } from "../batch-waits.ts";
import type { Batches } from "../batches.ts";

/** In a batch's metadata: the text of its rows came from private files, and its answers are not for a client. */
export const withheldMark = "promptfleet_withheld";

export const batchOutput = z.object({
  id: z.string(),
  status: z.string().describe("validating, in_progress, finalizing, cancelling; completed, failed, expired, cancelled"),
  has_ended: z.boolean(),
  total: z.number().describe("Rows; 0 until all were seen once."),
  answered: z.number(),
  failed: z.number(),
  input_tokens: z.number(),
  output_tokens: z.number(),
  cost_usd: z.number(),
  created_at: z.string(),
  expires_at: z.string(),
  waits: z.array(z.string()).describe("Why rows wait now, if they do."),
  errors: z.array(z.object({ message: z.string(), line: z.number().nullable() })).describe("Why it failed as a whole."),
  uri: z.string(),
});

export const isFinal = ({ status }: BatchRecord): boolean => finalStatuses.includes(status);
export const uriOf = ({ id }: Pick<BatchRecord, "id">): string => `promptfleet://batches/${id}`;

export function batchFacts(record: BatchRecord, batches: Batches): z.infer<typeof batchOutput> {
  const snapshot = isFinal(record) ? undefined : batches.snapshotOf(record.id);
  return {
    id: record.id,
    status: record.status,
    has_ended: isFinal(record),
    total: record.counts.total,
    answered: record.counts.completed,
    failed: record.counts.failed,
    input_tokens: record.usage.inputTokens,
    output_tokens: record.usage.outputTokens,
    cost_usd: record.costUsd,
    created_at: new Date(record.createdAtMs).toISOString(),
    expires_at: new Date(record.expiresAtMs).toISOString(),
    waits: isFinal(record) ? [] : batchWaits(batches.waitReason(record.id), snapshot),
    errors: record.errors.map(({ message, line }) => ({ message, line })),
    uri: uriOf(record),
  };
}

export function knownBatch(batches: Batches, id: string): BatchRecord {
  const record = batches.get(id);
  if (record !== undefined) return record;
  const recent = batches.list().slice(0, 5);
  const there = recent.length === 0 ? "there is none yet" : `the latest are ${recent.map((one) => one.id).join(", ")}`;
  throw new UserError(`there is no batch ${id.slice(0, 100)}; ${there}`);
}
