import { callsOf, type Level, logRateOf, type SeenWindow } from "./size-state.ts";

export interface Judgement {
  /** Logarithm of the calls that are expected to be best. */
  readonly size: number;
  /** Logarithm of the latency that is to be expected there. */
  readonly latency: number;
  /** What a few more calls are expected to bring: a power of the calls. */
  readonly slope: number;
  /** That fewer calls than any level has would do is too likely not to look. */
  readonly mayBeFar: boolean;
}

/** A server that may be: up to its edge it brings answers in proportion to the calls, beyond it a power of them. */
interface Guess {
  readonly edge: number;
  readonly slope: number;
}

const judging = {
  /** Answers that are remembered: so many turns of all calls, and some more where calls are few. */
  turns: 40,
  answers: 400,
  /** Levels that differ by less are one. */
  same: 0.012,
  /** Beyond the edge: fewer answers in all, as many, and some more. */
  slopes: [-0.5, 0, 0.25],
  /** Edges that are thought of lie so far apart, and so far below and above what was seen near by. */
  grid: 0.01,
  below: 0.6,
  above: 0.4,
  near: 0.5,
  /** No server is exactly so: squared error of a level, and error for each e-fold that it lies away. */
  misfit: 0.0002,
  farther: 0.12,
  /** The best size is looked for so far from what was seen near by, as a logarithm. */
  down: 0.3,
  up: 0.15,
  far: 0.38,
} as const;

/** Levels with one more window. All that is remembered fades as new answers come. */
export function noteLevel(levels: readonly Level[], seen: SeenWindow): readonly Level[] {
  const calls = Math.log(callsOf(seen));
  const kept = Math.exp(-seen.answers / (judging.turns * callsOf(seen) + judging.answers));
  const faded = levels.map((level) => ({ ...level, answers: level.answers * kept }));
  const same = faded.find((level) => Math.abs(level.calls - calls) <= judging.same);
  const others = faded.filter((level) => level !== same && level.answers > 1);
  return [...others, merged({ calls, rate: logRateOf(seen), answers: seen.answers }, same)];
}

function merged(one: Level, other: Level | undefined): Level {
  if (other === undefined) return one;
  const answers = one.answers + other.answers;
  const share = one.answers / answers;
  return {
    calls: other.calls + share * (one.calls - other.calls),
    rate: other.rate + share * (one.rate - other.rate),
    answers,
  };
}

/**
 * How likely each edge is, and each power, is told by what the levels brought and how sure that is; how fast the server
 * is, is not asked for (least squares give it for each guess). The best size is the one that is expected to bring most,
 * less `worth` for each e-fold of calls: where the edge is unsure it lies above its middle, as too few calls cost more.
 * @param around logarithm of the size that the levels near by belong to.
 * @param variance of the logarithm of a rate, for one answer.
 */
export function judgeLevels(levels: readonly Level[], around: number, variance: number, worth: number): Judgement {
  const near = levels.map(({ calls }) => calls).filter((calls) => Math.abs(calls - around) < judging.near);
  const [least, most] = [Math.min(around, ...near), Math.max(around, ...near)];
  const weights = levels.map(
    ({ calls, answers }) => 1 / (variance / answers + judging.misfit + (judging.farther * (calls - around)) ** 2),
  );
  const edges = gridOf(Math.max(0, least - judging.below), most + judging.above);
  const guesses = edges.flatMap((edge) => judging.slopes.map((slope) => ({ edge, slope })));
  const fits = guesses.map((guess) => fitOf(guess, levels, weights));
  const chances = chancesOf(fits.map(({ misfit }) => misfit));
  /** Expected over all guesses. */
  const expected = (of: (guess: Guess, order: number) => number): number =>
    guesses.reduce((sum, guess, order) => sum + (chances[order]! < 1e-5 ? 0 : chances[order]! * of(guess, order)), 0);
  let [size, bestGain] = [around, Number.NEGATIVE_INFINITY];
  for (const calls of gridOf(Math.max(0, least - judging.down), most + judging.up)) {
    const gain = expected((guess) => broughtBy(guess, calls)) - worth * calls;
    if (gain > bestGain) [size, bestGain] = [calls, gain];
  }
  return {
    size,
    latency: size - expected((guess, order) => fits[order]!.pace + broughtBy(guess, size)),
    slope: expected((guess) => broughtBy(guess, size + judging.up) - broughtBy(guess, size)) / judging.up,
    mayBeFar: expected(({ edge }) => (edge < least - judging.grid ? 1 : 0)) > judging.far,
  };
}

function gridOf(from: number, to: number): readonly number[] {
  return Array.from({ length: Math.ceil((to - from) / judging.grid) + 1 }, (_, step) => from + step * judging.grid);
}

const broughtBy = ({ edge, slope }: Guess, calls: number): number =>
  calls < edge ? calls : edge + slope * (calls - edge);

/** Half the weighted squares of what the levels differ from a guess by, when its pace is the one that fits them best. */
function fitOf(guess: Guess, levels: readonly Level[], weights: readonly number[]): { pace: number; misfit: number } {
  let [total, sum, squares] = [0, 0, 0];
  for (const [order, { calls, rate }] of levels.entries()) {
    const [weight, off] = [weights[order]!, rate - broughtBy(guess, calls)];
    total += weight;
    sum += weight * off;
    squares += weight * off * off;
  }
  return { pace: sum / total, misfit: (squares - (sum * sum) / total) / 2 };
}

function chancesOf(misfits: readonly number[]): readonly number[] {
  const least = Math.min(...misfits);
  const odds = misfits.map((misfit) => Math.exp(least - misfit));
  const sum = odds.reduce((all, one) => all + one);
  return odds.map((one) => one / sum);
}
