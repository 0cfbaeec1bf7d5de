import { judgeLevels, noteLevel } from "./size-levels.ts";
import { startFallen, startSearch } from "./size-search.ts";
import {
  callsOf,
  dipOf,
  ditherOf,
  hold,
  isSmall,
  logLatencyOf,
  moveTo,
  type SeenWindow,
  type SizeState,
  tuning,
  varianceOf,
  worthOf,
} from "./size-state.ts";

/** Compares each window with the usual ones; now and then tries what more and fewer calls bring. */
export function afterBase(state: SizeState, seen: SeenWindow): SizeState {
  const next = { ...compareWithUsual(state, seen), levels: noteLevel(state.levels, seen) };
  const mayRaise = next.limit < Math.min(next.most, next.refusedAt - 1) && next.hasRoom !== false;
  if (next.windows > 2 && next.later > tuning.evidence) return startFallen(next);
  if (next.windows > 2 && next.sooner > tuning.evidence && mayRaise) return raise({ ...next, sooner: 0 }, next.tally);
  if (next.windowsSinceProbe < windowsPerProbe(next) || (next.limit === 1 && !mayRaise)) return next;
  // A search that ended where more calls bring less has gone rather too far than not far enough.
  const dipsFirst = next.slope < tuning.bringsLess && next.windows === next.windowsSinceProbe;
  if (mayRaise && ((next.depth === 1 && !dipsFirst) || next.limit === 1)) return raise(next, next.tally);
  return { ...moveTo(next, "dip", next.size), before: next.tally };
}

/** The longer the base has stayed where it is, the less often it is tried. */
function windowsPerProbe({ size, settled }: SizeState): number {
  const most = isSmall(size) ? tuning.windowsPerProbe : tuning.windowsPerProbeOfLarge;
  return Math.min(most, tuning.windowsPerFirstProbe * (1 + settled));
}

function raise(state: SizeState, before: SeenWindow): SizeState {
  return { ...moveTo(state, "raise", state.size), before };
}

function compareWithUsual(state: SizeState, seen: SeenWindow): SizeState {
  const latency = logLatencyOf(seen);
  const windows = state.windows + 1;
  const windowsSinceProbe = state.windowsSinceProbe + 1;
  if (windows === 1) return { ...state, usual: latency, last: latency, windows, windowsSinceProbe };
  const variance = varianceOf(state, seen.answers) * (1 + 1 / Math.min(state.windows, 30));
  const change = latency - state.usual;
  return {
    ...state,
    windows,
    windowsSinceProbe,
    sooner: Math.max(0, state.sooner + evidenceOf(-change, 0.8 * ditherOf(state.size), variance)),
    later: Math.max(0, state.later + evidenceOf(change, tuning.grown, variance)),
    last: latency,
    unrest: unrestAfter(state, seen, latency),
    usual: state.usual + change / Math.min(windows, 30),
  };
}

/** Log likelihood ratio of a change by `expected` against none, when one by `seen` was seen. Sums of it tell a change. */
const evidenceOf = (seen: number, expected: number, variance: number): number =>
  ((seen - expected / 2) * expected) / variance;

/** From one window to the next, as a change of the server's pace would else count as unrest. */
function unrestAfter({ last, unrest, spread }: SizeState, { answers }: SeenWindow, latency: number): number {
  if (last === undefined) return unrest;
  const seen = Math.min(25, (latency - last) ** 2 / 2 / (spread / Math.max(answers, 1)));
  return Math.max(1, unrest + 0.04 * (seen - unrest));
}

/**
 * A server that takes more than it did answers as soon at a few more calls; one that does not, by so much later as its
 * slope says. Larger steps show more: it goes on up while that is the likelier, and searches when it is sure.
 */
export function afterRaise(state: SizeState): SizeState {
  const { before, tally } = state;
  if (before === undefined) return hold(state, state.size);
  const later = Math.max(0.3, 1 - state.slope) * Math.log(callsOf(tally) / callsOf(before));
  const sooner = state.usual + later - logLatencyOf(tally);
  const rising = Math.max(0, state.rising + evidenceOf(sooner, later, varianceOf(state, tally.answers)));
  if (rising > tuning.evidenceToSearch) {
    return startSearch({ ...state, rising }, tuning.stepAfterRaise * state.limit, tally);
  }
  if (rising > tuning.evidenceToGoOn && state.height < tuning.highest) {
    return raise({ ...state, rising, height: 2 * state.height }, before);
  }
  const next = { ...state, rising, height: 1, levels: noteLevel(state.levels, tally) };
  // With one call in flight there is nothing to dip to.
  const canDip = dipOf(state.size, 1) < state.size - 0.5;
  const isDipDue = state.settled <= 1 || state.settled % tuning.raisesPerDip === 0;
  return canDip && isDipDue ? { ...moveTo(next, "dip", state.size), before } : judge(next);
}

export function afterDip(state: SizeState): SizeState {
  return judge({ ...state, levels: noteLevel(state.levels, state.tally), refusedAt: 1.02 * state.refusedAt });
}

/** The base moves to where it is best, as far as is known now, and is known to differ from what was usual before. */
function judge(state: SizeState): SizeState {
  const { levels, spread, unrest } = state;
  const at = Math.log(state.size);
  const { size, latency, slope, mayBeFar } = judgeLevels(levels, at, spread * unrest, worthOf(state));
  const change = Math.min(tuning.mostUp, Math.max(-tuning.mostDown, size - at));
  const hasMoved = Math.abs(change) > tuning.moved;
  return {
    ...moveTo(state, "base", Math.exp(at + change)),
    before: undefined,
    // A server that shows its queue would show it: the edge does not lie far below.
    depth: mayBeFar && state.hasRoom === undefined ? Math.min(tuning.deepest, 2 * state.depth) : 1,
    windowsSinceProbe: 0,
    settled: hasMoved ? 0 : state.settled + 1,
    windows: hasMoved ? Math.min(state.windows, 3) : state.windows,
    usual: latency,
    slope,
  };
}
