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

/** What so many calls in flight have brought of late. */
export interface Level {
  /** Logarithms of the calls, and of the answers per millisecond. */
  readonly calls: number;
  readonly rate: number;
  /** Answers that say so; old ones count less. */
  readonly answers: number;
}

/** Sums of what a server said of itself. */
export interface Looks {
  readonly count: number;
  readonly running: number;
  readonly waiting: number;
}

export const noLooks: Looks = { count: 0, running: 0, waiting: 0 };

export type SizePhase = "search" | "check" | "shrink" | "base" | "raise" | "dip" | "fallen" | "cut";

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
  /** The server itself says whether nothing waits there. Undefined: it does not tell. */
  readonly hasRoom: boolean | undefined;
  /** What it said since the limit changed. */
  readonly looks: Looks;
  /** Logarithm of the usual latency at the base, and the windows that it comes from. */
  readonly usual: number;
  readonly windows: number;
  readonly windowsSinceProbe: number;
  /** Logarithm of the last window's latency, when that was seen at the same limit. */
  readonly last: number | undefined;
  /** What this and other numbers of calls have brought of late, and what a few more are expected to (a power of them). */
  readonly levels: readonly Level[];
  readonly slope: number;
  /** Probes in a row after which the base stayed where it was. */
  readonly settled: number;
  /** How many times deeper than usual dips go, and higher raises. */
  readonly depth: number;
  readonly height: number;
  /** Evidence of raises that the server takes more than it did. */
  readonly rising: number;
  /** Evidence (log likelihood ratios) that answers come sooner, or later, than usual. */
  readonly sooner: number;
  readonly later: number;
  /** Squared coefficient of variation of latencies, and how many times more than that says windows differ. */
  readonly spread: number;
  readonly unrest: number;
}

/** Found by simulation (scripts/size-trials.ts); none is critical within a third of its value. */
export const tuning = {
  /** A step up is worth it when throughput grows by at least this power of the calls: 1 = in proportion. */
  worth: 0.28,
  /** The same at the base, and both where the server says that nothing waits. */
  worthAtBase: 0.15,
  worthWithRoom: 0.06,
  /** A step that brought less than this is worth a second look. */
  inProportion: 0.7,
  /** Each step of the search. */
  step: 2.5,
  stepAfterRaise: 1.6,
  /** The second look is so far above the knee that the search found. */
  margin: 0.07,
  /** Moves of the base, as logarithms; a smaller one than `moved` is none. */
  moved: 0.03,
  mostUp: 0.15,
  mostDown: 0.4,
  /** A likelihood ratio of e to the 8 says that the server has changed. */
  evidence: 8,
  /** The same for raises, which the search looks into, and for going on with one. */
  evidenceToSearch: 4,
  evidenceToGoOn: 0.4,
  /** Latency grown by half is the change that is looked for; logarithm. */
  grown: 0.4,
  /** Base windows between two probes: at first, and when it has settled, where answers are few, and where they are many. */
  windowsPerFirstProbe: 2,
  windowsPerProbe: 6,
  windowsPerProbeOfLarge: 12,
  /** Probes are so many turns long: what is lost on the way there and back is lost once. */
  turnsPerProbe: 1.5,
  /** When it has settled, not each raise is followed by a dip, which costs more. */
  raisesPerDip: 3,
  /** Dips and raises become so many times as large at the most. */
  deepest: 4,
  highest: 4,
  leastAnswers: 10,
  /** A slope below this is taken for one that falls. */
  bringsLess: -0.1,
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

export const worthOf = ({ hasRoom }: SizeState): number => (hasRoom ? tuning.worthWithRoom : tuning.worthAtBase);

/** How far dips go, as a logarithm: far enough for the few answers of a small server to show a difference. */
export const ditherOf = (size: number): number => Math.min(0.3, Math.max(0.05, 1.2 / size ** 0.75));

/** A server of few slots gives few answers: that it takes more shows sooner by trying. */
export const isSmall = (size: number): boolean => size < 32;

export function dipOf(size: number, depth: number): number {
  const base = Math.round(size);
  return Math.max(1, Math.min(base - 1, Math.round(base * Math.exp(-Math.min(0.5, depth * ditherOf(size))))));
}

/** Four calls more, or 5 %; that costs a server of fixed slots nothing. */
function raiseOf(base: number, height: number): number {
  return Math.max(base + 1, Math.round(base * Math.exp(height * Math.min(0.4, Math.max(0.05, 4 / base)))));
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
  const most = Math.max(1, Math.min(state.most, Math.floor(state.refusedAt - 1)));
  const within = Math.min(most, Math.max(1, size));
  // Rather up than down: a call too many costs less than one too few.
  const base = Math.max(Math.min(2, most), Math.round(within + 0.3));
  const limit = Math.round(Math.min(most, limitIn(phase, base, state)));
  // Half a turn of calls, and those beyond the new limit, which end first. A step of the search is large: where a server is
  // slower only for calls that are sent from now on, the answers of half a turn say that it has brought more than it will.
  const isLargeStep = (phase === "search" || phase === "check") && !isSmall(limit);
  const turns = Math.min(2, (isLargeStep ? 1 : 0.5) + Math.max(0, state.limit - limit) / limit);
  const settling = Math.max(1, Math.ceil(ownLimitOf(state) * turns));
  return { ...state, phase, size: within, limit, settling, tally: nothingSeen, last: undefined, looks: noLooks };
}

function limitIn(phase: SizePhase, base: number, { depth, height }: SizeState): number {
  if (phase === "dip") return dipOf(base, depth);
  return phase === "raise" ? raiseOf(base, height) : base;
}

/** A raise was too much: back to where it came from. */
export const backFromRaise = (state: SizeState): SizeState => ({
  ...moveTo({ ...state, height: 1, rising: 0 }, "base", state.size),
  before: undefined,
  windowsSinceProbe: 0,
});

/** Stays at a size, and learns anew what is usual there. */
export function hold(state: SizeState, size: number): SizeState {
  return {
    ...moveTo(state, "base", size),
    before: undefined,
    windows: 0,
    windowsSinceProbe: 0,
    levels: [],
    settled: 0,
    slope: 0,
    rising: 0,
    depth: 1,
    height: 1,
    // The change itself has counted as unrest.
    unrest: 1 + 0.5 * (state.unrest - 1),
    sooner: 0,
    later: 0,
  };
}
