/** What was seen of an endpoint's calls while the limit did not change. */
export interface SeenWindow {
  readonly durationMs: number;
  /** Calls of this process that ended and had been worked on. */
  readonly answers: number;
  /** Integral over the time of this process' calls in flight. */
  readonly callMs: number;
  /** Calls that other processes have in flight there. */
  readonly others: number;
  /** Sum of the answers' latencies, and of their squares. */
  readonly latencyMs: number;
  readonly latencySquares: number;
}

export type SizePhase = "search" | "shrink" | "base" | "raise" | "dip" | "fallen" | "cut";

export interface SizeState {
  /** Calls in flight of all processes together are never more than this. */
  readonly most: number;
  readonly others: number;
  /** Calls that it has refused; it rises slowly again. Infinity: none. */
  readonly refusedAt: number;
  readonly phase: SizePhase;
  /** Answers to come before what is seen counts: calls that were sent under the last limit still end. */
  readonly settling: number;
  /** Calls that all processes together may have in flight now. */
  readonly limit: number;
  /** The calls in flight that are held to be right; not whole. */
  readonly size: number;
  /** Seen at this limit, since it settled. */
  readonly tally: SeenWindow;
  /** What the tally is compared with: the search's last level that was worth it, or the base. */
  readonly before: SeenWindow | undefined;
  /** How much the search's last step gained of what it could. Undefined: there was none. */
  readonly lastStep: number | undefined;
  /** The server itself says that nothing waits there. */
  readonly hasRoom: boolean;
  /** Logarithm of the usual latency at the base, and the windows that it comes from. */
  readonly usual: number;
  readonly windows: number;
  readonly windowsSinceDip: number;
  /** Logarithm of the last window's latency, when that was seen at the same limit. */
  readonly last: number | undefined;
  /** What dips to about so many calls have shown. */
  readonly unqueued: { readonly calls: number; readonly latency: number; readonly answers: number } | undefined;
  /** How many times deeper than usual dips go, as the last brought as many answers as the base. */
  readonly depth: number;
  /** The last move of the base, as a logarithm. */
  readonly lastChange: number;
  /** Evidence (log likelihood ratios) that answers come sooner, or later, than usual. */
  readonly sooner: number;
  readonly later: number;
  /** Squared coefficient of variation of latencies, and how many times more than that says windows differ. */
  readonly spread: number;
  readonly unrest: number;
}

/** Found by simulation (test/pool/size-pool.test.ts has its servers); none is critical within a third of its value. */
export const tuning = {
  /** A step up is worth it when throughput grows by at least this power of the calls: 1 = in proportion. */
  worth: 0.28,
  /** The same at the base, and both where the server says that nothing waits. */
  worthAtBase: 0.2,
  worthWithRoom: 0.06,
  /** Each step of the search. */
  step: 2.5,
  stepAfterRaise: 1.6,
  /** The base lies so far above the knee that the search found. */
  margin: 0.07,
  /** Share of a measured difference by which the base moves; after a dip deeper than usual it is surer. */
  gain: 0.5,
  deepGain: 0.9,
  momentum: 0.5,
  /** A likelihood ratio of e to the 7 says that the server has changed. */
  evidence: 8,
  /** Latency grown by half is the change that is looked for; logarithm. */
  grown: 0.4,
  /** Base windows between two dips, where answers are few, and where they are many. */
  windowsPerDip: 4,
  windowsPerDipOfLarge: 8,
  deepest: 8,
  leastAnswers: 10,
} as const;

export const nothingSeen: SeenWindow = {
  durationMs: 0,
  answers: 0,
  callMs: 0,
  others: 0,
  latencyMs: 0,
  latencySquares: 0,
};

export const callsOf = (seen: SeenWindow): number => seen.callMs / seen.durationMs + seen.others;

/** By Little's law: no answer need be matched with its call, so the short ones, which come first, do not count double. */
export const logLatencyOf = (seen: SeenWindow): number => Math.log(seen.callMs / Math.max(seen.answers, 0.5));

/** Logarithm of the answers per millisecond, of all processes. */
export const logRateOf = (seen: SeenWindow): number => Math.log(callsOf(seen)) - logLatencyOf(seen);

export function addWindows(one: SeenWindow, other: SeenWindow): SeenWindow {
  return {
    durationMs: one.durationMs + other.durationMs,
    answers: one.answers + other.answers,
    callMs: one.callMs + other.callMs,
    others: other.others,
    latencyMs: one.latencyMs + other.latencyMs,
    latencySquares: one.latencySquares + other.latencySquares,
  };
}

/** Variance of the logarithm of a rate, or of a mean latency, that so many answers gave. */
export const varianceOf = (state: SizeState, answers: number): number =>
  (state.spread * state.unrest) / Math.max(answers, 1);

/** How far dips and raises go, as a logarithm: far enough for the few answers of a small server to show a difference. */
export const ditherOf = (size: number): number => Math.min(0.3, Math.max(0.08, 2.2 / size ** 0.75));

/** A server of few slots gives few answers: that it takes more shows sooner by trying. */
export const isSmall = (size: number): boolean => ditherOf(size) > 0.12;

export function dipOf(size: number, depth: number): number {
  const base = Math.round(size);
  return Math.max(1, Math.min(base - 1, Math.round(base * Math.exp(-Math.min(0.7, depth * ditherOf(size))))));
}

/** Own calls that the limit leaves when the others have theirs; dips leave half, else answers to learn from are missing. */
export const ownLimitOf = ({ limit, others, size }: SizeState): number =>
  Math.max(1, limit - others, Math.ceil((size - others) / 2));

/** What is held to be right for all processes together: more is being tried only by the one that searches. */
export function heldSize(state: SizeState): number {
  if (state.phase !== "search" || state.before === undefined) return state.size;
  return Math.min(state.size, callsOf(state.before));
}

export function moveTo(state: SizeState, phase: SizePhase, size: number): SizeState {
  const most = Math.max(1, Math.min(state.most, state.refusedAt - 1));
  const within = Math.min(most, Math.max(1, size));
  const base = Math.max(Math.min(2, most), Math.round(within));
  const limit = Math.round(limitIn(phase, base, state.depth, most));
  // A queue that shall go needs a whole turn of calls for that.
  const turns = limit < 0.7 * state.limit ? 1 : 0.5;
  const settling = Math.max(1, Math.ceil(ownLimitOf(state) * turns));
  return { ...state, phase, size: within, limit, settling, tally: nothingSeen, last: undefined };
}

function limitIn(phase: SizePhase, base: number, depth: number, most: number): number {
  if (phase === "dip") return dipOf(base, depth);
  if (phase === "raise") return Math.min(most, Math.max(base + 1, Math.round(base * Math.exp(ditherOf(base)))));
  return base;
}

/** Stays at a size, and learns anew what is usual there. */
export function hold(state: SizeState, size: number): SizeState {
  return {
    ...moveTo(state, "base", size),
    before: undefined,
    windows: 0,
    windowsSinceDip: tuning.windowsPerDip - 2,
    unqueued: undefined,
    depth: 1,
    lastChange: 0,
    sooner: 0,
    later: 0,
  };
}
