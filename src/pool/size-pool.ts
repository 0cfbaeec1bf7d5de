import type { Gauges } from "../../workers/adapter.ts";
import { assertNever } from "../job/errors.ts";
import { afterBase, afterDip, afterRaise } from "./size-hold.ts";
import { afterCheck, afterCut, afterFallen, afterSearch, afterShrink } from "./size-search.ts";
import {
  addWindows,
  backFromRaise,
  callsOf,
  hold,
  isSmall,
  type Looks,
  noLooks,
  nothingSeen,
  ownLimitOf,
  type SeenWindow,
  type SizeState,
  tuning,
} from "./size-state.ts";

/**
 * Finds how many calls in flight keep a server busy, and no more, without being told. Values and pure functions.
 *
 *  ┌──▶ search ── more calls bring no more answers ──▶ base ⇄ raise, dip
 *  │      │ ▲                                           │        │
 *  │  the start was too much: shrink ─────────────────▶ │        │
 *  │        └── a raise brings more than usual ─────────┼────────┘
 *  │                                                    ▼ answers come later than usual
 *  └── fewer calls are not answered sooner ── cut ◀── fallen
 *                                              └── sooner ──▶ base
 *
 * The equations stand in ARCHITECTURE.md ("Sizing").
 */
export function startSize({ start, most }: { readonly start: number; readonly most: number }): SizeState {
  const limit = Math.max(1, Math.min(start, most));
  return {
    most,
    others: 0,
    refusedAt: Infinity,
    phase: "search",
    // At the start all calls are new: a turn of them is short of answers by a third, which only lets the search go on.
    settling: 0,
    limit,
    size: limit,
    tally: nothingSeen,
    before: undefined,
    lastStep: undefined,
    hasRoom: undefined,
    looks: noLooks,
    usual: 0,
    windows: 0,
    windowsSinceProbe: 0,
    last: undefined,
    levels: [],
    settled: 0,
    slope: 0,
    rising: 0,
    depth: 1,
    height: 1,
    sooner: 0,
    later: 0,
    spread: 0.3,
    unrest: 1,
  };
}

/** When the window that is being seen is over: after so many answers to this process, or after that time. */
export function windowEnd(state: SizeState): { readonly answers: number; readonly afterMs: number } {
  const own = ownLimitOf(state);
  if (state.settling > 0) return { answers: state.settling, afterMs: Infinity };
  // A turn of all calls; half of one tells enough where a step is large, and where others have the most of them.
  const turn = state.phase === "search" || state.phase === "check" ? own / 2 : Math.max(own, state.limit / 2);
  const isProbe = !isSmall(state.limit) && (state.phase === "raise" || state.phase === "dip");
  const answers = Math.max(tuning.leastAnswers, Math.ceil(isProbe ? tuning.turnsPerProbe * turn : turn));
  if (state.phase === "fallen") return { answers: Math.ceil(answers / 2), afterMs: Infinity };
  const isCompared = state.phase === "base" && state.windows > 0;
  return { answers, afterMs: isCompared ? (1.5 * answers * Math.exp(state.usual)) / own : Infinity };
}

export function afterWindow(state: SizeState, seen: SeenWindow): SizeState {
  // Too few rows, or too slow a client: the server was not asked for what it can do.
  if (callsOf(seen) < 0.8 * state.limit) return state;
  if (state.settling > 0) return { ...state, settling: 0 };
  const next = { ...noteSpread(state, seen), tally: addWindows(state.tally, seen) };
  switch (next.phase) {
    case "search":
      return afterSearch(next);
    case "check":
      return afterCheck(next);
    case "shrink":
      return afterShrink(next);
    case "base":
      return afterBase(next, seen);
    case "raise":
      return afterRaise(next);
    case "dip":
      return afterDip(next);
    case "fallen":
      return afterFallen(next, seen);
    case "cut":
      return afterCut(next);
    default:
      return assertNever(next.phase);
  }
}

function noteSpread(state: SizeState, { answers, latencyMs, latencySquares }: SeenWindow): SizeState {
  if (answers < 4) return state;
  const seen = Math.min(6, (latencySquares * answers) / (latencyMs * latencyMs) - 1);
  const weight = Math.min(0.5, answers / 150);
  return { ...state, spread: Math.max(0.03, state.spread + weight * (seen - state.spread)) };
}

/** The server would not take a call: its queue is full, or it throttles. Cut at once, once for calls sent together. */
export function afterRefusal(state: SizeState, ownInFlight: number): SizeState {
  const refusedAt = Math.min(state.refusedAt, ownInFlight + 1 + state.others);
  if (state.settling > 0 && state.phase === "base" && state.limit < refusedAt) return { ...state, refusedAt };
  if (state.phase === "raise" && state.size < refusedAt - 1) return backFromRaise({ ...state, refusedAt });
  return hold({ ...state, refusedAt }, 0.75 * Math.min(state.limit, refusedAt));
}

/**
 * The server says itself what it works on and what waits there. Calls that come together wait for a moment where there is
 * room for them: one look does not say that too many wait, unless more wait than are worked on.
 */
export function afterGauges(state: SizeState, { running, waiting }: Gauges, ownInFlight: number): SizeState {
  const inFlight = ownInFlight + state.others;
  // On a busy machine what it says lags behind: while it does not count most calls, it does not say that none waits.
  if (waiting === 0 && running < 0.5 * inFlight) return state;
  const hasRoom = waiting === 0;
  // While calls sent under a higher limit still end, the queue says nothing new.
  if (state.settling > 0 || running === 0) return { ...state, hasRoom };
  const looks = addLook(state.looks, running, waiting);
  const next = { ...state, looks, hasRoom };
  const isSure = looks.count >= looksToBeSure || waiting > running;
  if (!isSure || looks.waiting <= looks.count + 0.15 * looks.running) return next;
  if (state.phase === "raise") return { ...backFromRaise(state), hasRoom };
  const share = looks.running / (looks.running + looks.waiting);
  return { ...hold(state, Math.min(state.size, inFlight) * share + 1), hasRoom };
}

const looksToBeSure = 2;
/** Older ones fade. */
const looksRemembered = 8;

function addLook(looks: Looks, running: number, waiting: number): Looks {
  const kept = looks.count < looksRemembered ? 1 : 1 - 1 / looksRemembered;
  return {
    count: kept * looks.count + 1,
    running: kept * looks.running + running,
    waiting: kept * looks.waiting + waiting,
  };
}

/** Others may have so many calls in flight there now. A search goes on from there, as its steps were taken without them. */
export function withOthers(state: SizeState, others: number): SizeState {
  if (others === state.others) return state;
  const next = { ...state, others, tally: nothingSeen, last: undefined };
  if (state.phase !== "search") return next;
  const limit = Math.min(state.most, ownLimitOf(state) + others);
  return { ...next, limit, size: limit, before: undefined, lastStep: state.before === undefined ? undefined : 1 };
}
