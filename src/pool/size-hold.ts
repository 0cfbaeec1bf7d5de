import { startFallen, startSearch } from "./size-search.ts";
import {
  callsOf,
  dipOf,
  ditherOf,
  hold,
  isSmall,
  logLatencyOf,
  logRateOf,
  moveTo,
  type SeenWindow,
  type SizeState,
  tuning,
  varianceOf,
} from "./size-state.ts";

/** Compares each window with the usual ones; now and then tries what more and fewer calls bring. */
export function afterBase(state: SizeState, seen: SeenWindow): SizeState {
  const next = compareWithUsual(state, seen);
  const mayRaise = next.limit < Math.min(next.most, next.refusedAt - 1);
  if (next.windows > 2 && next.later > tuning.evidence) return startFallen(next);
  if (next.windows > 2 && next.sooner > tuning.evidence && mayRaise) {
    return { ...moveTo(next, "raise", next.size), before: next.tally, sooner: 0 };
  }
  const small = isSmall(next.size);
  const isMoving = Math.abs(next.lastChange) > 0.05 || next.depth > 1;
  const windowsPerDip = isMoving ? 2 : small ? tuning.windowsPerDip : tuning.windowsPerDipOfLarge;
  if (next.windowsSinceDip < windowsPerDip || (next.limit === 1 && !mayRaise)) return next;
  return { ...moveTo(next, small && mayRaise ? "raise" : "dip", next.size), before: next.tally };
}

function compareWithUsual(state: SizeState, seen: SeenWindow): SizeState {
  const latency = logLatencyOf(seen);
  const windows = state.windows + 1;
  const windowsSinceDip = state.windowsSinceDip + 1;
  if (windows === 1) return { ...state, usual: latency, last: latency, windows, windowsSinceDip };
  const variance = varianceOf(state, seen.answers) * (1 + 1 / Math.min(state.windows, 30));
  const change = latency - state.usual;
  const gone = 0.8 * ditherOf(state.size);
  const { grown } = tuning;
  return {
    ...state,
    windows,
    windowsSinceDip,
    // Two cumulative sums: log likelihood ratio of a latency that is shorter (longer) by so much against one that is as usual.
    sooner: Math.max(0, state.sooner + ((-change - gone / 2) * gone) / variance),
    later: Math.max(0, state.later + ((change - grown / 2) * grown) / variance),
    last: latency,
    unrest: unrestAfter(state, seen, latency),
    usual: state.usual + change / Math.min(windows, 30),
  };
}

/** From one window to the next, as a change of the server's pace would else count as unrest. */
function unrestAfter({ last, unrest, spread }: SizeState, { answers }: SeenWindow, latency: number): number {
  if (last === undefined) return unrest;
  const seen = Math.min(25, (latency - last) ** 2 / 2 / (spread / Math.max(answers, 1)));
  return Math.max(1, unrest + 0.04 * (seen - unrest));
}

/** More than usual at a few more calls: the server takes more than it did. */
export function afterRaise(state: SizeState): SizeState {
  const { before, tally } = state;
  if (before === undefined) return hold(state, state.size);
  const step = Math.log(callsOf(tally) / callsOf(before));
  const gained = logRateOf(tally) - (Math.log(callsOf(before)) - state.usual);
  const margin = gained - 0.7 * step;
  const deviation = Math.sqrt(varianceOf(state, tally.answers) + varianceOf(state, 100));
  const isClear = margin > deviation || margin < -1.5 * deviation;
  if (!isClear && tally.answers < callsOf(tally) - tally.others + 30) return state;
  if (margin > 0) return startSearch(state, tuning.stepAfterRaise * state.limit, tally);
  // With one call in flight there is nothing to dip to.
  return dipOf(state.size, 1) < state.size - 0.5
    ? { ...moveTo(state, "dip", state.size), before }
    : { ...moveTo(state, "base", state.size * Math.exp(0.3 * margin)), before: undefined, windowsSinceDip: 0 };
}

/**
 * Moves the base by what it brings more than the dip. With `step` = ln(base / dip) and `gained` = ln of their rates'
 * ratio, a server of fixed slots has its slots at dip · e^gained; the base is to lie 0.8 of a usual dip above that. Where
 * the step was worth it although the dip went deep, the server has no sharp edge there, and the base stays.
 */
export function afterDip(state: SizeState): SizeState {
  const { before, tally } = state;
  if (before === undefined) return hold(state, state.size);
  const unqueued = withDip(state, tally);
  const step = Math.log(callsOf(before) / callsOf(tally));
  const gained = step - (logLatencyOf(before) - unqueued.latency);
  const worth = state.hasRoom ? tuning.worthWithRoom : tuning.worthAtBase;
  const usualStep = Math.min(step, Math.log(callsOf(before) / dipOf(state.size, 1)));
  const toEdge = gained - (step - (1 - worth) * usualStep);
  const isFlat = gained < worth * step;
  const margin = isFlat ? toEdge : Math.max(0, toEdge);
  const carried = margin > 0 && state.lastChange > 0 ? tuning.momentum * state.lastChange : 0;
  const gain = isFlat && state.depth > 1 ? tuning.deepGain : tuning.gain;
  const change = Math.min(0.3, Math.max(-0.7, gain * margin + carried));
  const next = moveTo(state, "base", state.size * Math.exp(change));
  const queued = Math.min(1, Math.max(0, 1 - gained / step));
  return {
    ...next,
    before: undefined,
    refusedAt: 1.02 * state.refusedAt,
    unqueued,
    depth: depthAfter(state.depth, gained / step, worth),
    lastChange: change,
    windowsSinceDip: 0,
    windows: Math.abs(change) > 0.03 ? Math.min(state.windows, 3) : state.windows,
    usual: state.usual + queued * Math.log(next.size / state.size),
  };
}

/** Dips to about the same number of calls are taken together. */
function withDip(state: SizeState, tally: SeenWindow): NonNullable<SizeState["unqueued"]> {
  const calls = callsOf(tally);
  const latency = logLatencyOf(tally);
  const known = state.unqueued;
  if (known === undefined || Math.abs(Math.log(calls / known.calls)) > 0.3) {
    return { calls, latency, answers: tally.answers };
  }
  const answers = 0.6 * known.answers + tally.answers;
  return { calls, latency: known.latency + (tally.answers / answers) * (latency - known.latency), answers };
}

function depthAfter(depth: number, gainedOfStep: number, worth: number): number {
  if (gainedOfStep < 0.3 * worth) return Math.min(tuning.deepest, 1.6 * depth);
  return Math.max(1, depth / 1.6);
}
