import type { ModelConfig } from "../config/config.ts";
import type { RowPayload, Settlement } from "../job/batch.ts";
import { assertNever } from "../job/errors.ts";
import type { ErrorCode, ResultLine } from "../job/result.ts";
import { type AskedEnd, askInForm } from "./ask-in-form.ts";
import type { Charge } from "./gate.ts";
import { throttlePauseMs } from "./pace.ts";
import { type AskedRow, answeredLine, failedLine } from "./result-of-call.ts";
import type { TakeTurn } from "./take-turn.ts";
import type { TierPool } from "./tier-pool.ts";

/** How an online call has ended. */
export interface OnlineEnd {
  /**
   * `answered` and `failed` (for the row's own reasons) are as in a batch. The others are why a row of a batch would wait:
   * `throttled` by a limit or a budget, `down`: no model of its route can be asked now; `timed-out`, `broken`: an error of
   * the backend; `cancelled`: the caller has left.
   */
  readonly kind: "answered" | "failed" | "throttled" | "down" | "timed-out" | "broken" | "cancelled";
  readonly result: ResultLine;
  /** When it is worth asking again, of `throttled` and `down`. */
  readonly retryAfterMs?: number;
}

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

/** Why one model of the route gave no answer; the next one is asked unless it `isFinal`. */
interface Miss extends OnlineEnd {
  readonly isFinal: boolean;
}

/**
 * Asks a row at once: the story of execute-job.ts without queue, gate and record. Its route is gone along without
 * patience, as its caller waits: a model that is down or must wait long gives way to the next.
 */
export async function askOnline(row: OnlineRow, context: OnlineContext): Promise<OnlineEnd> {
  const payload = JSON.parse(row.payload) as RowPayload;
  const misses: Miss[] = [];
  for (const alias of payload.route) {
    const found = await context.poolOf(alias);
    if (found === undefined) continue;
    const { model, pool } = found;
    const callNumber = context.nextCallNumber();
    const asked: AskedRow = { row: callNumber, payload, model, attempts: misses.length };
    const end = await askModel(row, asked, pool, context);
    if (!("isFinal" in end) || end.isFinal) return end;
    misses.push(end);
  }
  if (misses.length > 0) return worthTelling(misses);
  throw new Error(`no model of the route ${payload.route.join(", ")} is known here`);
}

/** What a row was refused for says more than that another model was down; of those that can be asked later the soonest. */
function worthTelling(misses: readonly Miss[]): OnlineEnd {
  const refused = misses.findLast(({ kind }) => kind === "failed");
  const waits = misses.filter(({ retryAfterMs }) => retryAfterMs !== undefined);
  const soonest = waits.sort((one, other) => one.retryAfterMs! - other.retryAfterMs!)[0];
  return refused ?? soonest ?? misses.at(-1)!;
}

async function askModel(
  row: OnlineRow,
  asked: AskedRow,
  pool: TierPool,
  context: OnlineContext,
): Promise<OnlineEnd | Miss> {
  const { model } = asked;
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
  { takeTurn }: OnlineContext,
): Promise<Miss | { readonly charge: Charge | undefined }> {
  const { model } = asked;
  const giveUpAtMs = Date.now() + longestTurnMs;
  for (;;) {
    const terms = pool.pace.termsOf(model, asked.payload.task, false, false);
    if (terms === undefined) return { charge: undefined };
    const onlineMs = Math.max(0, giveUpAtMs - Date.now());
    const turn = await takeTurn({ terms, callNumber: asked.row, payload, onlineMs });
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

interface MissDetails {
  readonly code?: ErrorCode;
  readonly latencyMs?: number;
  readonly retryAfterMs?: number;
  readonly isFinal?: boolean;
}

function miss(kind: OnlineEnd["kind"], asked: AskedRow, message: string, details: MissDetails): Miss {
  const { code = "attempts_exhausted", latencyMs = 0, retryAfterMs, isFinal = false } = details;
  const result = failedLine(asked, { latencyMs }, code, message);
  return { kind, result, isFinal, ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(retryAfterMs) }) };
}
