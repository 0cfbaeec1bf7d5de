import {
  callsOf,
  hold,
  logLatencyOf,
  logRateOf,
  moveTo,
  type SeenWindow,
  type SizeState,
  tuning,
  varianceOf,
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
      const knee = hold(state, callsOf(before) * Math.exp(Math.max(0, gain.gained) + tuning.margin));
      return state.lastStep < 0.8 ? { ...knee, depth: tuning.deepest / 2 } : knee;
    }
  } else if (tally.answers < state.spread / 0.04) {
    return state;
  }
  if (state.limit >= Math.min(state.most, state.refusedAt - 1)) return hold(state, state.limit);
  return { ...moveTo(state, "search", state.limit * tuning.step), before: tally, lastStep };
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
  if (sooner > 0.5 * fewer) return hold(state, state.size);
  return startSearch(state, state.limit * tuning.step, tally);
}

export function startSearch(state: SizeState, size: number, before: SeenWindow): SizeState {
  return { ...moveTo(state, "search", size), before, lastStep: 1 };
}
