import type { QueueJobJson } from "@bull-board/api/typings/app";
import type { JobLabels } from "../job/batch.ts";
import type { ErrorCode, ResultLine } from "../job/result.ts";

/** What is known of a row beside its job's labels, while it is in the window. */
export interface RowFacts {
  /** Undefined for a private row. */
  readonly id: string | undefined;
  readonly isPrivate: boolean;
  /** Its own errors that were counted so far. */
  readonly attempts: number;
}

/** A job as Bull Board may show it: no text of a prompt, an answer or a producer's data. */
export function shownJob(job: QueueJobJson, facts: RowFacts | undefined, waits: string | undefined): QueueJobJson {
  const shown = { ...job, progress: 0, opts: { attempts: job.opts?.attempts, delay: job.opts?.delay }, stacktrace: [] };
  const labels = labelsOf(job);
  if (labels === undefined) return { ...shown, ...foreignFields(job, waits) };
  const { batch, row, rows, task, model } = labels;
  return {
    ...shown,
    name: `${task ?? model} · ${rows === undefined ? `row ${row}` : `${rows.length} rows from ${row}`}`,
    data: leaveOutUndefined({
      batch,
      ...(rows === undefined ? { row } : { rows }),
      id: facts?.id,
      task: task ?? undefined,
      model,
      private: facts?.isPrivate,
      attempts: facts?.attempts,
      waits,
    }),
    failedReason: job.failedReason && reasonInWords(job.failedReason),
    returnvalue: null,
  };
}

/** A job of the fleet's own rows; undefined for one that a plain BullMQ producer added. */
export function labelsOf({ data }: Pick<QueueJobJson, "data">): JobLabels | undefined {
  return typeof data?.batch === "string" && typeof data.row === "number" ? (data as JobLabels) : undefined;
}

/** The rows of a job that failed, as run-pool.ts wrote them down. */
export function failedRowsOf(failedReason: string): number[] {
  return [...failedReason.matchAll(/\(row (\d+)\)/g)].map(([, row]) => Number(row));
}

/** Of what a producer sent only the names of its fields, and what routes it; of its result no text. */
function foreignFields({ data, returnvalue }: QueueJobJson, waits: string | undefined) {
  const fields = typeof data === "object" && data !== null ? (data as Record<string, unknown>) : {};
  const isPrivate = fields.private === true;
  return {
    data: leaveOutUndefined({
      from: "a BullMQ producer",
      id: isPrivate ? undefined : shortText(fields.id),
      task: shortText(fields.task),
      model: shortText(fields.model),
      private: isPrivate,
      hidden: Object.keys(fields).filter((name) => !["id", "task", "model", "private"].includes(name)),
      waits,
    }),
    returnvalue: shownResult(returnvalue),
  };
}

function shownResult(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return null;
  const { status, model, tier, finish_reason, usage, cost_usd, latency_ms, attempts, error } = value as ResultLine;
  const code = error?.code;
  return leaveOutUndefined({ status, model, tier, finish_reason, usage, cost_usd, latency_ms, attempts, error: code });
}

const reasonWords: Partial<Record<string, string>> = {
  invalid_row: "the row is not one that can be asked",
  rejected: "every model of its route refused it",
  content_filtered: "every model of its route filtered it",
  context_overflow: "it is too long for every model of its route",
  invalid_answer: "no answer had the form that was asked for",
  attempts_exhausted: "it erred again and again while others were answered",
  worker_crashed: "its process died in each of its calls",
  policy_refused: "it may go to none of its models",
  no_consensus: "its models did not agree",
  budget_exhausted: "the budget is spent",
  deadline_passed: "its time is over",
  cancelled: "its batch was cancelled",
} satisfies Record<ErrorCode, string>;

/** `invalid_answer (row 5)` and what that means; the whole message, which may quote the row, is in its result. */
function reasonInWords(failedReason: string): string {
  return failedReason.replace(/\b([a-z_]+) \(row \d+\)/g, (whole, code: string) => {
    const words = reasonWords[code];
    return words === undefined ? whole : `${whole}: ${words}`;
  });
}

const longestText = 200;

function shortText(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" ? String(value).slice(0, longestText) : undefined;
}

function leaveOutUndefined(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
