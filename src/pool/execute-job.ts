import type { ModelConfig } from "../config/config.ts";
import type { JobLabels, RowAction, RowPayload, Settlement } from "../job/batch.ts";
import { assertNever } from "../job/errors.ts";
import type { Meter } from "../job/meter.ts";
import type { ErrorCode, ResultLine } from "../job/result.ts";
import { type AskedEnd, askInForm } from "./ask-in-form.ts";
import { decideAfter, isEndUnknown } from "./decide-retry.ts";
import type { Gate } from "./gate.ts";
import type { Isolation } from "./isolation.ts";
import { passGate } from "./pass-gate.ts";
import type { RecentFailures } from "./recent-failures.ts";
import { type AskedRow, answeredLine, failedLine } from "./result-of-call.ts";
import type { TierPool } from "./tier-pool.ts";

/** How a job ends for the queue; only run-pool.ts turns it into BullMQ's words. */
export type JobEnding =
  /** `failed`: the rows of it that failed for good, for who looks at the queue. */
  | { readonly kind: "finished"; readonly failed?: readonly FailedRow[] }
  /** Step aside for this long and give the slot to the next. */
  | { readonly kind: "later"; readonly delayMs: number };

export interface FailedRow {
  readonly row: number;
  readonly code: ErrorCode;
}

/** Settles a call (by its id) and puts the action on record; false when somebody else was first. */
export type Settle = (job: JobLabels, call: string, action: RowAction, settlement?: Settlement) => Promise<boolean>;

export interface ExecuteContext {
  readonly processId: string;
  readonly gate: Gate;
  /** The batch may spend no more than it was told; known for a batch of which a model was asked for. */
  readonly hasBudget: (batchId: string) => boolean;
  readonly settle: Settle;
  /** A model as the batch's owner configured it. */
  readonly modelOf: (batchId: string, alias: string) => Promise<ModelConfig>;
  /** Makes sure that the job of a row's hop exists in the queue of that position's tier. */
  readonly placeHop: (job: JobLabels, hop: number, position: number, payload: RowPayload) => Promise<void>;
  /** Told when a model was asked without options that it cannot take. */
  readonly noteOmitted: (alias: string, options: readonly string[]) => void;
  /** Told how long an answer took. */
  readonly noteLatency: (alias: string, latencyMs: number) => void;
  /** Told of rows that failed and are not private. */
  readonly noteFailure: RecentFailures["note"];
  readonly meter: Meter;
  readonly nextCallNumber: () => number;
  /** Rows that this process is at, from before the gate until their call is settled. */
  readonly rowsInHand: Set<string>;
  /** Of all pools of this process. */
  readonly isolation: Isolation;
  /** True when that tier's pool here can take rows now, which makes it worth moving a row there. */
  readonly isUsable: (batchId: string, alias: string) => Promise<boolean>;
}

/** A row that is asked right now is looked at again after this long. */
const inHandDelayMs = 1_000;
/** A row that was in a call at so many ends of its process is next asked with nothing else in flight here. */
const crashesToIsolate = 2;
/** And at so many it is not asked again: at the last ones it was alone. */
const crashesToFail = 4;

/**
 * One call of a row at a time in this process, also when Redis came back without knowing of the one in flight.
 * @param cameBack the job has stepped aside before.
 */
export async function executeJob(
  job: JobLabels,
  cameBack: boolean,
  pool: TierPool,
  context: ExecuteContext,
): Promise<JobEnding> {
  const { rowsInHand } = context;
  const key = rowKeyOf(job);
  if (rowsInHand.has(key)) return later(inHandDelayMs);
  rowsInHand.add(key);
  try {
    const { isolation } = context;
    const ending = await isolation.together(() => askRow(job, cameBack, pool, context, false));
    return ending === "suspected" ? await isolation.alone(() => askRowAlone(job, pool, context)) : ending;
  } finally {
    rowsInHand.delete(key);
  }
}

/**
 * The story of a job: claim (BullMQ has done it) → gate → pace → call → check → record → acknowledge (by returning).
 */
async function askRow(
  job: JobLabels,
  cameBack: boolean,
  pool: TierPool,
  context: ExecuteContext,
  isAlone: boolean,
): Promise<JobEnding | "suspected"> {
  const model = await context.modelOf(job.batch, job.model);
  const blocked = pool.blockedFor(model.model);
  if (blocked !== undefined && blocked.fallbackAtMs > performance.now()) {
    return later(Math.min(blocked.delayMs, blocked.fallbackAtMs - performance.now() + 1));
  }

  const callNumber = context.nextCallNumber();
  const call = `${context.processId} ${callNumber}`;
  const atGateMs = performance.now();
  const verdict = await passGate(job, model, callNumber, cameBack, pool, context);
  switch (verdict.kind) {
    case "finished":
      return { kind: "finished" };
    case "wait":
    case "paced":
      return later(verdict.delayMs);
    case "moved": {
      await context.placeHop(job, verdict.hop, verdict.position, JSON.parse(verdict.payload) as RowPayload);
      return { kind: "finished" };
    }
    case "admitted":
      break;
    default:
      return assertNever(verdict);
  }

  const payload = JSON.parse(verdict.payload) as RowPayload;
  const { charge, position, attempts } = verdict;
  const asked: AskedRow = { row: job.row, payload, model, attempts };
  const row: AdmittedRow = {
    ...asked,
    job,
    position,
    settle: (action, end) => context.settle(job, call, action, charge && pool.pace.settle(charge, asked, end)),
  };
  if (!isPlaceOf(row, pool)) {
    await row.settle({ kind: "release", countsAttempt: false });
    return { kind: "finished" };
  }
  if (verdict.crashes >= crashesToFail) return failCrashed(row, verdict.crashes, pool, context);
  if (blocked !== undefined) return fallBackOrWait(row, blocked.delayMs, context);
  if (verdict.crashes >= crashesToIsolate && !isAlone) {
    await row.settle({ kind: "release", countsAttempt: false });
    return "suspected";
  }
  // It has its turn: until then it sleeps here, unless this process stops.
  if (charge !== undefined && !(await pool.pace.wait(charge.delayMs))) {
    await row.settle({ kind: "release", countsAttempt: false });
    return later(0);
  }
  if (charge !== undefined) context.meter.pacingWaited(model.tier, model.alias, performance.now() - atGateMs);
  const end = await askInForm(row, (asked) => pool.call(job.batch, asked));
  return settleRow(row, end, pool, context);
}

async function askRowAlone(job: JobLabels, pool: TierPool, context: ExecuteContext): Promise<JobEnding> {
  const ending = await askRow(job, true, pool, context, true);
  if (ending === "suspected") throw new Error("a row that is alone is suspected no more");
  return ending;
}

async function failCrashed(
  row: AdmittedRow,
  crashes: number,
  pool: TierPool,
  context: ExecuteContext,
): Promise<JobEnding> {
  const message = `the process that asked it died ${crashes} times during its call, the last times with nothing else in flight`;
  const asked = { ...row, attempts: row.attempts + crashes - 1 };
  return finish(row, failedLine(asked, { latencyMs: 0 }, "worker_crashed", message), pool, context);
}

interface AdmittedRow extends AskedRow {
  readonly job: JobLabels;
  readonly position: number;
  /** Settles its call, once, and puts the action on record; without an end no call was made. */
  readonly settle: (action: RowAction, end?: AskedEnd) => Promise<boolean>;
}

/** False for a job that somebody made up: its labels are not those with which the row was placed. */
function isPlaceOf({ job, payload: { route }, model, position }: AdmittedRow, { tier }: TierPool): boolean {
  return route[Math.min(position, route.length - 1)] === job.model && model.tier === tier.name;
}

async function settleRow(row: AdmittedRow, end: AskedEnd, pool: TierPool, context: ExecuteContext): Promise<JobEnding> {
  const { job, payload } = row;
  if (end.outcome.kind === "answered") {
    const { omittedOptions } = end.outcome.answer;
    context.noteLatency(row.model.alias, end.latencyMs);
    if (omittedOptions !== undefined) context.noteOmitted(row.model.alias, omittedOptions);
    return finish(row, answeredLine(row, end, end.outcome.answer), pool, context, end);
  }
  const hasNextModel = row.position + 1 < payload.route.length;
  const decision = decideAfter(end.outcome, pool.historyOf(rowKeyOf(job), end, row.attempts, hasNextModel));
  switch (decision.kind) {
    case "record-answer":
      throw new Error("only an answered call decides for its answer");
    case "record-failure":
      return finish(row, failedLine(row, end, decision.code, decision.message), pool, context, end);
    case "next-model":
      return moveOn(row, row.position + 1, context, end);
    case "wait":
      await row.settle({ kind: "release", countsAttempt: decision.countsAttempt, endUnknown: isEndUnknown(end) }, end);
      return later(decision.delayMs);
    default:
      return assertNever(decision);
  }
}

/** Records the row's result, whatever its call has ended with. */
async function finish(
  row: AdmittedRow,
  result: ResultLine,
  pool: TierPool,
  { noteFailure }: ExecuteContext,
  end?: AskedEnd,
): Promise<JobEnding> {
  const { job, payload, model } = row;
  const isFirst = await row.settle({ kind: "record", line: JSON.stringify(result) }, end);
  pool.forget(rowKeyOf(job));
  if (result.error !== null && !payload.private) {
    noteFailure({ batch: job.batch, row: job.row, tier: model.tier, model: model.alias, ...result.error });
  }
  return isFirst && result.error !== null
    ? { kind: "finished", failed: [{ row: job.row, code: result.error.code }] }
    : { kind: "finished" };
}

/** The tier has been down for longer than rows wait for it: the first later model that can take the row gets it. */
async function fallBackOrWait(row: AdmittedRow, delayMs: number, context: ExecuteContext): Promise<JobEnding> {
  for (let position = row.position + 1; position < row.payload.route.length; position++) {
    if (await context.isUsable(row.job.batch, row.payload.route[position]!)) return moveOn(row, position, context);
  }
  await row.settle({ kind: "release", countsAttempt: false });
  return later(delayMs);
}

/** The row's next hop is on record before its job is placed: should we die between the two, the old job says so. */
async function moveOn(
  { job, payload, settle }: AdmittedRow,
  toPosition: number,
  context: ExecuteContext,
  end?: AskedEnd,
): Promise<JobEnding> {
  const endUnknown = end !== undefined && isEndUnknown(end);
  if (await settle({ kind: "move", fromHop: job.hop, toPosition, endUnknown }, end)) {
    context.rowsInHand.delete(rowKeyOf(job));
    await context.placeHop(job, job.hop + 1, toPosition, payload);
  }
  return { kind: "finished" };
}

const later = (delayMs: number): JobEnding => ({ kind: "later", delayMs: Math.round(delayMs) });
const rowKeyOf = (job: JobLabels): string => `${job.batch}-${job.row}`;
