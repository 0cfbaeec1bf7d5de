import { judgeLevels, noteLevel } from "./size-levels.ts";
import {
  callsOf,
  hold,
  type Level,
  logLatencyOf,
  logRateOf,
  moveTo,
  type SeenWindow,
  type SizeState,
  tuning,
  varianceOf,
  worthOf,
} from "./size-state.ts";

/** What so many times the calls brought: 1 = as many times the answers, 0 = none more. "unsure": see more first. */
function gainOf(
  state: SizeState,
  fewer: SeenWindow,
  more: SeenWindow,
): { gained: number; isWorth: boolean } | "unsure" {
  const { tally } = state;
  if (tally.answers < state.spread / 0.04) return "unsure";
  const step = Math.log(callsOf(more) / callsOf(fewer));
  const gained = logRateOf(more) - logRateOf(fewer);
  const margin = gained - (state.hasRoom ? tuning.worthWithRoom : tuning.worth) * step;
  const deviation = Math.sqrt(varianceOf(state, fewer.answers) + varianceOf(state, more.answers));
  const isClear = margin > deviation || margin < -1.5 * deviation;
  if (!isClear && tally.answers < callsOf(tally) - tally.others + 40) return "unsure";
  return { gained, isWorth: margin > 0 };
}

/** Stays where what was seen on the way says that it is best, near to what the last step said. */
function settle(state: SizeState, knee: number): SizeState {
  const levels = noteLevel(state.levels, state.tally);
  const at = Math.log(knee);
  const { size, slope } = judgeLevels(levels, at, state.spread * state.unrest, worthOf(state));
  const held = hold(state, Math.exp(Math.min(at + tuning.mostUp, Math.max(at - tuning.mostDown, size))));
  return { ...held, levels, slope };
}

/** What was known before a raise that led to more holds no longer. */
function learned({ rising, levels, before, tally }: SizeState): readonly Level[] {
  return noteLevel(rising > 0 && before !== undefined ? noteLevel([], before) : levels, tally);
}

/** More calls, as long as they bring more answers. */
export function afterSearch(state: SizeState): SizeState {
  const { before, tally } = state;
  let lastStep: number | undefined;
  if (before !== undefined) {
    const gain = gainOf(state, before, tally);
    if (gain === "unsure") return state;
    lastStep = gain.gained / Math.log(callsOf(tally) / callsOf(before));
    if (!gain.isWorth) {
      // The first step already was not: the start may have been too much.
      if (state.lastStep === undefined) return { ...moveTo(state, "shrink", callsOf(before) / 2), before };
      // Where the line through the last good level reaches what more calls brought.
      return settle(state, callsOf(before) * Math.exp(Math.max(0, gain.gained)));
    }
    if (lastStep < tuning.inProportion) {
      const knee = callsOf(before) * Math.exp(Math.max(0, gain.gained) + tuning.margin);
      return { ...moveTo(state, "check", knee), before: tally, rising: 0, levels: learned(state) };
    }
  } else if (tally.answers < state.spread / 0.04) {
    return state;
  }
  if (state.limit >= Math.min(state.most, state.refusedAt - 1)) return hold(state, state.limit);
  return {
    ...moveTo(state, "search", state.limit * tuning.step),
    before: tally,
    lastStep,
    rising: 0,
    levels: learned(state),
  };
}

/**
 * The last step brought more, yet less than in proportion: either the server's slots are fewer than that, which is to be
 * seen where they would just be busy, or it is slower with each call and yet brings more.
 */
export function afterCheck(state: SizeState): SizeState {
  const { before, tally } = state;
  if (before === undefined) return hold(state, state.size);
  const gain = gainOf(state, tally, before);
  if (gain === "unsure") return state;
  if (!gain.isWorth) return settle(state, callsOf(tally) * Math.exp(Math.max(0, gain.gained)));
  const lastStep = gain.gained / Math.log(callsOf(before) / callsOf(tally));
  return {
    ...moveTo(state, "search", callsOf(before) * tuning.step),
    before,
    lastStep,
    levels: noteLevel(state.levels, tally),
  };
}

/** Fewer calls, until they bring fewer answers. */
export function afterShrink(state: SizeState): SizeState {
  const { before, tally } = state;
  if (before === undefined) return hold(state, state.size);
  const gain = gainOf(state, tally, before);
  if (gain === "unsure") return state;
  if (gain.isWorth || state.limit <= 1) {
    return hold(state, callsOf(tally) * Math.exp(Math.max(0, gain.gained) + tuning.margin));
  }
  return { ...moveTo(state, "shrink", state.limit / 2), before: tally };
}

/** Latency has grown: from here on `tally` holds only what was seen since. */
export function startFallen(state: SizeState): SizeState {
  return { ...state, phase: "fallen", tally: { ...state.tally, durationMs: 0, answers: 0, callMs: 0 } };
}

/**
 * The first window after it grew still had answers from before in it; this one has not. By Little's law so many calls
 * would be answered as soon as they used to, if it is the server that does less and not the answers that are longer.
 */
export function afterFallen(state: SizeState, seen: SeenWindow): SizeState {
  const grown = logLatencyOf(seen) - state.usual;
  if (grown < 0.25) return { ...hold(state, state.size), settling: 0 };
  return { ...moveTo(state, "cut", state.size * Math.exp(-grown)), before: seen };
}

/** Fewer calls are answered sooner: it was the server. If not, the answers are longer, and the search goes up again. */
export function afterCut(state: SizeState): SizeState {
  const { before, tally } = state;
  if (before === undefined) return hold(state, state.size);
  const fewer = Math.log(callsOf(before) / callsOf(tally));
  const sooner = logLatencyOf(before) - logLatencyOf(tally);
  if (sooner > 0.5 * fewer)
    return { ...hold(state, state.size), levels: noteLevel(noteLevel([], before), tally), depth: tuning.deepest };
  return startSearch({ ...state, levels: [] }, state.limit * tuning.step, tally);
}

export function startSearch(state: SizeState, size: number, before: SeenWindow): SizeState {
  return { ...moveTo(state, "search", size), before, lastStep: 1, levels: noteLevel(state.levels, before) };
}
