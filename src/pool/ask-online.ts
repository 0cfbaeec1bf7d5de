import type { ModelConfig } from "../config/config.ts";
import type { RowPayload, Settlement } from "../job/batch.ts";
import { assertNever, messageOf } from "../job/errors.ts";
import { type AskedEnd, askInForm } from "./ask-in-form.ts";
import type { Charge } from "./gate.ts";
import { type Miss, type MissDetails, miss, notHere, type OnlineEnd, worthTelling } from "./online-end.ts";
import { queuePausedReason } from "./own-wait.ts";
import { throttlePauseMs } from "./pace.ts";
import { type AskedRow, answeredLine } from "./result-of-call.ts";
import type { TakeTurn, Turn, TurnQuestion } from "./take-turn.ts";
import type { TierPool } from "./tier-pool.ts";

/** A row that somebody waits for, in no batch and no queue. */
export interface OnlineRow {
  /** JSON of its RowPayload. */
  readonly payload: string;
  /** Aborted when its caller leaves. */
  readonly signal: AbortSignal;
  /** Told of the answer's text as it comes; what it was told stands: no other model is asked after it. */
  readonly onText?: ((delta: string) => void) | undefined;
}

export interface OnlineContext {
  readonly processId: string;
  readonly takeTurn: TakeTurn;
  readonly nextCallNumber: () => number;
  /** A model and this process' pool of its tier; undefined where there is none. */
  readonly poolOf: (alias: string) => Promise<{ readonly model: ModelConfig; readonly pool: TierPool } | undefined>;
  /** Settles a call; whoever waits for the answer does not wait for it. */
  readonly settle: (call: string, settlement: Settlement) => void;
  readonly noteLatency: (alias: string, latencyMs: number) => void;
  readonly noteOmitted: (alias: string, options: readonly string[]) => void;
}

/** An online call waits at most this long for its turn; then its next model is asked, or its caller is told when. */
const longestTurnMs = 10_000;
/** Limits, slots and budgets are kept in Redis: where it is away for longer, a tier that has them cannot be asked. */
const longestRedisMs = 3_000;
const redisAway = "Redis, which keeps its limits, does not answer";
/** Nobody knows when a queue that somebody has paused goes on. */
const pausedAgainMs = 10_000;

/**
 * Asks a row at once: the story of execute-job.ts without queue, gate and record. Its route is gone along without
 * patience, as its caller waits: a model that is down or must wait long gives way to the next.
 */
export async function askOnline(row: OnlineRow, context: OnlineContext): Promise<OnlineEnd> {
  const payload = JSON.parse(row.payload) as RowPayload;
  const misses: Miss[] = [];
  for (const alias of payload.route) {
    const found = await context.poolOf(alias).catch((error: unknown) => messageOf(error));
    if (found === undefined) continue;
    if (typeof found === "string") {
      misses.push(notHere(payload, found));
      continue;
    }
    const { model, pool } = found;
    const callNumber = context.nextCallNumber();
    const asked: AskedRow = { row: callNumber, payload, model, attempts: misses.length };
    const end = await askModel(row, asked, pool, context);
    if (!("isFinal" in end) || end.isFinal) return end;
    misses.push(end);
  }
  return worthTelling(misses) ?? notHere(payload, `no model of its route (${payload.route.join(", ")}) is known here`);
}

async function askModel(
  row: OnlineRow,
  asked: AskedRow,
  pool: TierPool,
  context: OnlineContext,
): Promise<OnlineEnd | Miss> {
  const { model } = asked;
  if (pool.isQueuePaused()) return miss("down", asked, queuePausedReason, { retryAfterMs: pausedAgainMs });
  const blocked = pool.blockedFor(model.model);
  if (blocked !== undefined) return miss("down", asked, blocked.reason, { retryAfterMs: blocked.delayMs });
  pool.pace.enterOnline();
  let charge: Charge | undefined;
  let spoken: Spoken | undefined;
  try {
    const turn = await takeItsTurn(row, asked, pool, context);
    if ("result" in turn) return turn;
    charge = turn.charge;
    if (!(await pool.pace.wait(charge?.delayMs ?? 0, row.signal))) return notAsked(row, asked, pool);
    spoken = await ask(row, asked, pool, context);
  } finally {
    pool.pace.leaveOnline();
    if (charge !== undefined) {
      context.settle(`${context.processId} ${asked.row}`, pool.pace.settleOnline(charge, asked, spoken?.end));
    }
  }
  return readEnd(row, asked, spoken, pool, context);
}

/** Resolves with what was charged, or with why it may not start for long. */
async function takeItsTurn(
  { signal, payload }: OnlineRow,
  asked: AskedRow,
  pool: TierPool,
  context: OnlineContext,
): Promise<Miss | { readonly charge: Charge | undefined }> {
  const { model } = asked;
  const giveUpAtMs = performance.now() + longestTurnMs;
  for (;;) {
    const terms = pool.pace.termsOf(model, asked.payload.task, false, false);
    if (terms === undefined) return { charge: undefined };
    const onlineMs = Math.max(0, giveUpAtMs - performance.now());
    const turn = await askRedis({ terms, callNumber: asked.row, payload, onlineMs }, signal, asked, pool, context);
    if (turn === undefined) {
      if (signal.aborted) return notAsked({ signal }, asked, pool);
      return miss("down", asked, redisAway, { retryAfterMs: longestRedisMs });
    }
    if (turn.kind === "turn") return { charge: turn.charge };
    const { delayMs, reason } = turn;
    pool.pace.noteWait(terms.scope, reason, delayMs);
    if (delayMs > onlineMs || reason === "unpriced") {
      if (turn.isPause) pool.pause(model.model, reason, delayMs);
      const code = /^(day-|unpriced)/.test(reason) ? "budget_exhausted" : "attempts_exhausted";
      return miss("throttled", asked, pool.pace.waitReason() ?? reason, { retryAfterMs: delayMs, code });
    }
    if (!(await pool.pace.wait(delayMs, signal))) return notAsked({ signal }, asked, pool);
  }
}

/** Undefined when Redis does not answer soon. Should it give a turn after all, that is given back. */
async function askRedis(
  question: TurnQuestion,
  signal: AbortSignal,
  asked: AskedRow,
  { pace }: TierPool,
  { takeTurn, settle, processId }: OnlineContext,
): Promise<Turn | undefined> {
  const asking = takeTurn(question).catch(() => undefined);
  const answered = new AbortController();
  const patience = pace.wait(longestRedisMs, AbortSignal.any([signal, answered.signal]));
  const turn = await Promise.race([asking, patience.then(() => undefined)]);
  answered.abort();
  if (turn !== undefined) return turn;
  void asking.then((late) => {
    if (late?.kind !== "turn") return;
    settle(`${processId} ${asked.row}`, pace.settleOnline(late.charge, asked, undefined));
  });
  return undefined;
}

/** How a call has ended, and whether its caller was told any text. */
interface Spoken {
  readonly end: AskedEnd;
  readonly hasSpoken: boolean;
}

/** An answer that must fit a form is told once it does, as one that comes whole is. */
async function ask(
  { signal, onText }: OnlineRow,
  asked: AskedRow,
  pool: TierPool,
  { processId }: OnlineContext,
): Promise<Spoken> {
  let hasSpoken = false;
  const speak = (delta: string): void => {
    hasSpoken = true;
    onText?.(delta);
  };
  const comesWhole = onText === undefined || asked.payload.request.answerForm !== undefined;
  const online = { signal, onText: comesWhole ? undefined : speak };
  const end = await askInForm(asked, (again) => pool.call(`online-${processId}`, again, online));
  const { outcome, misfit } = end;
  if (outcome.kind === "answered" && misfit === undefined && !hasSpoken && outcome.answer.text !== "") {
    speak(outcome.answer.text);
  }
  return { end, hasSpoken };
}

function readEnd(
  row: OnlineRow,
  asked: AskedRow,
  { end, hasSpoken }: Spoken,
  pool: TierPool,
  { noteLatency, noteOmitted }: OnlineContext,
): OnlineEnd | Miss {
  const { outcome, latencyMs } = end;
  const { alias } = asked.model;
  const missed = (kind: OnlineEnd["kind"], change: MissDetails = {}) =>
    miss(kind, asked, (outcome as { message: string }).message, { latencyMs, isFinal: hasSpoken, ...change });
  switch (outcome.kind) {
    case "answered": {
      noteLatency(alias, latencyMs);
      if (outcome.answer.omittedOptions !== undefined) noteOmitted(alias, outcome.answer.omittedOptions);
      const result = answeredLine(asked, end, outcome.answer);
      return { kind: result.status, result };
    }
    case "rejected":
      return missed("failed", { code: "rejected" });
    case "content-filtered":
      return missed("failed", { code: "content_filtered" });
    case "context-overflow":
      return missed("failed", { code: "context_overflow" });
    case "refused-by-policy":
      return missed("failed", { code: "policy_refused", isFinal: true });
    case "invalid-answer":
      return missed("broken", { code: "invalid_answer" });
    case "server-error":
      return missed("broken");
    // Its caller has waited for long enough.
    case "timed-out":
      return missed("timed-out", { isFinal: true });
    case "throttled":
      return missed("throttled", { retryAfterMs: outcome.retryAfterMs ?? throttlePauseMs });
    case "unreachable":
    case "unavailable":
      return missed("down", { retryAfterMs: pool.blockedFor(asked.model.model)?.delayMs ?? throttlePauseMs });
    case "cancelled":
      return notAsked(row, asked, pool, outcome.message);
    default:
      return assertNever(outcome);
  }
}

/** Its caller has left, or no call could be made here: the pool stops, all is down, the audit cannot be written. */
function notAsked(
  { signal }: Pick<OnlineRow, "signal">,
  asked: AskedRow,
  pool: TierPool,
  message = "this process stops",
): Miss {
  if (signal.aborted) return miss("cancelled", asked, "its caller has left", { code: "cancelled", isFinal: true });
  const blocked = pool.blockedFor(asked.model.model);
  return miss("down", asked, blocked?.reason ?? message, { retryAfterMs: blocked?.delayMs ?? throttlePauseMs });
}
