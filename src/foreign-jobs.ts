import { type Job, Worker } from "bullmq";
import { findModel } from "./config/ad-hoc.ts";
import type { Fleet } from "./fleet.ts";
import { createRowParser } from "./intake/parse-row.ts";
import type { RowPayload } from "./job/batch.ts";
import { failedWithoutCall, type ResultLine } from "./job/result.ts";
import type { PromptRow } from "./job/row.ts";
import type { LiveBatch } from "./live-batch.ts";
import type { PlannedRow, PreparedRow } from "./plan-row.ts";
import { type AskedEnd, askInForm } from "./pool/ask-in-form.ts";
import { decideAfter } from "./pool/decide-retry.ts";
import { answeredLine, failedLine } from "./pool/result-of-call.ts";
import { type ForeignJob, stallOptions } from "./pool/run-pool.ts";
import { foreignResultKey, inboxQueue } from "./queue/names.ts";

/** Results of private foreign jobs lie under a key for this long. */
const privateResultKeptSeconds = 86_400;
const inboxConcurrency = 500;
/** Errors of foreign rows by job id; a job that moves to another process begins anew. */
const mostRemembered = 10_000;

/**
 * Rows that a plain BullMQ producer put into a tier's queue, prompt and all. They alone return their result as BullMQ's
 * return value, which is their record: once per job id, for as long as BullMQ keeps the job.
 */
export function createForeignJobs(fleet: () => Fleet, plan: (row: PromptRow) => PlannedRow): ForeignJob {
  const ownErrors = new Map<string, number>();
  const record = (job: Job, row: PreparedRow, result: ResultLine): Promise<unknown> => {
    fleet().measures.meter.rowEnded(result);
    return deliver(fleet(), job, row, result);
  };
  return async (job, pool) => {
    const planned = planForeign(job, plan);
    if (!planned.ok) return { value: failedWithoutCall(0, planned.id, null, planned) };
    const { row } = planned;
    const { config } = fleet();
    if (row.votes !== undefined) {
      const message = `this row is put to several models (${row.votes.rule.models.join(", ")}); add it to the queue ${inboxQueue}`;
      return { value: failedWithoutCall(0, row.id, row.task, { code: "invalid_row", message }, row.metadata) };
    }
    const position = row.tiers.indexOf(pool.tier.name);
    const model = position === -1 ? undefined : findModel(config, row.route[position]!);
    if (model === undefined) {
      const message = `this row's route (${row.route.join(", ")}) has no model on tier ${pool.tier.name}; name one, or add the row to the queue ${inboxQueue}`;
      return { value: failedWithoutCall(0, row.id, row.task, { code: "invalid_row", message }, row.metadata) };
    }
    const blocked = pool.blockedFor(model.model);
    if (blocked !== undefined) return { kind: "later", delayMs: Math.round(blocked.delayMs) };
    const rowKey = `foreign-${job.id}`;
    const attempts = ownErrors.get(rowKey) ?? 0;
    const asked = { row: 0, payload: JSON.parse(row.payload) as RowPayload, model, attempts };
    const cameBack = job.attemptsStarted > 1;
    const turn = await fleet().waitForTurn(pool, { asked, payload: row.payload, cameBack });
    if ("laterMs" in turn) return { kind: "later", delayMs: Math.round(turn.laterMs) };

    let end: AskedEnd | undefined;
    try {
      end = await askInForm(asked, (again) => pool.call(rowKey, again));
    } finally {
      turn.end(end);
    }
    if (end.outcome.kind === "answered") {
      return { value: await record(job, row, answeredLine(asked, end, end.outcome.answer)) };
    }
    const decision = decideAfter(end.outcome, pool.historyOf(rowKey, end, attempts, false));
    if (decision.kind === "wait") {
      if (decision.countsAttempt) ownErrors.set(rowKey, attempts + 1);
      if (ownErrors.size > mostRemembered) ownErrors.delete(ownErrors.keys().next().value!);
      return { kind: "later", delayMs: decision.delayMs };
    }
    if (decision.kind !== "record-failure") throw new Error(`a foreign row cannot end by ${decision.kind}`);
    pool.forget(rowKey);
    ownErrors.delete(rowKey);
    return { value: await record(job, row, failedLine(asked, end, decision.code, decision.message)) };
  };
}

/** The queue `inbox`: rows of plain BullMQ producers, routed by their task through this process' live batch. */
export function runInbox(
  fleet: Fleet,
  batch: LiveBatch,
  plan: (row: PromptRow) => PlannedRow,
): { close(): Promise<void> } {
  const worker = new Worker(
    inboxQueue,
    async (job: Job) => {
      const planned = planForeign(job, plan);
      const result = await batch.enqueue(planned);
      return planned.ok ? deliver(fleet, job, planned.row, result) : result;
    },
    {
      connection: fleet.redis,
      prefix: fleet.names.queuePrefix,
      concurrency: inboxConcurrency,
      ...stallOptions,
      removeOnComplete: { count: 1_000 },
      removeOnFail: { count: 1_000 },
    },
  );
  worker.on("error", () => {});
  return { close: () => worker.close(true) };
}

/** A row that cannot be asked comes back without its metadata: whether that is private cannot always be told. */
function planForeign(job: Job, plan: (row: PromptRow) => PlannedRow): PlannedRow {
  const data = job.data as Record<string, unknown> | null;
  const withId = typeof data === "object" && data !== null && data.id === undefined ? { ...data, id: job.id } : data;
  const parsed = createRowParser({ strict: false, kind: "rows" })(Buffer.from(JSON.stringify(withId)), 1);
  if (!parsed.ok) return { ok: false, id: parsed.id, code: "invalid_row", message: parsed.message };
  const planned = plan(parsed.row);
  if (planned.ok) return planned;
  const { id, code, message } = planned;
  return { ok: false, id, code, message };
}

/** A private row's result must not lie in a job, where Bull Board and events show it: the producer gets its key. */
async function deliver(fleet: Fleet, job: Job, row: PreparedRow, result: ResultLine): Promise<unknown> {
  if (!row.private) return result;
  const key = foreignResultKey(fleet.names, job.queueName, String(job.id));
  await fleet.redis.set(key, JSON.stringify(result), "EX", privateResultKeptSeconds);
  return { id: result.id, status: result.status, result_key: key };
}
