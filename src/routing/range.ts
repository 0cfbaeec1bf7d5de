/** A figure that is not known: nine times out of ten it lies from `low` to `high`. */
export interface Range {
  readonly low: number;
  readonly likely: number;
  readonly high: number;
}

export const exactly = (value: number): Range => ({ low: value, likely: value, high: value });

export const times = ({ low, likely, high }: Range, factor: number): Range => ({
  low: low * factor,
  likely: likely * factor,
  high: high * factor,
});

/** The sum of figures that are wrong in the same way (guesses by one rule): their errors add up. */
export function addTogether(ranges: readonly Range[]): Range {
  const sum = (of: (range: Range) => number): number => ranges.reduce((total, range) => total + of(range), 0);
  return { low: sum(({ low }) => low), likely: sum(({ likely }) => likely), high: sum(({ high }) => high) };
}

/** The sum of figures that were measured apart: their errors partly cancel out. */
export function addApart(ranges: readonly Range[]): Range {
  const { likely } = addTogether(ranges);
  const below = Math.hypot(...ranges.map((range) => range.likely - range.low));
  const above = Math.hypot(...ranges.map((range) => range.high - range.likely));
  return { low: Math.max(0, likely - below), likely, high: likely + above };
}

/** What is later: for things that happen at the same time. */
export function latest(ranges: readonly Range[]): Range {
  const most = (of: (range: Range) => number): number => ranges.reduce((late, range) => Math.max(late, of(range)), 0);
  return { low: most(({ low }) => low), likely: most(({ likely }) => likely), high: most(({ high }) => high) };
}

/**
 * What `count` more rows come to, by a sample of others: Student's range, its ends moved by the sample's skewness as
 * Johnson has it (the lower one by half of that), because a few long answers, which a small sample may have missed,
 * make up much of a total. Undefined when the sample is too small to say anything.
 */
export function totalBySample(sample: readonly number[], count: number): Range | undefined {
  const size = sample.length;
  if (size < fewest) return undefined;
  const mean = sample.reduce((sum, value) => sum + value, 0) / size;
  const power = (exponent: number): number => sample.reduce((sum, value) => sum + (value - mean) ** exponent, 0);
  const spread = Math.sqrt(power(2) / (size - 1));
  const skewness = spread === 0 ? 0 : (power(3) / spread ** 3) * (size / ((size - 1) * (size - 2)));
  const t = quantile(size - 1);
  const moved = (Math.max(0, skewness) / (6 * Math.sqrt(size))) * (1 + 2 * t ** 2);
  // The sample's own error is the same for all rows, what each row differs by is not.
  const error = spread * Math.sqrt(count ** 2 / size + count);
  const likely = mean * count;
  const low = Math.max(0, likely - (t - Math.min(moved, t) / 2) * error);
  return { low, likely, high: likely + (t + moved) * error };
}

/** The same for a figure that an estimate is known of for each row: by how much the sample's estimates were wrong. */
export function totalByRatio(
  sample: readonly { readonly estimated: number; readonly real: number }[],
  estimated: number,
  count: number,
): Range | undefined {
  if (sample.length < fewest) return undefined;
  const sum = (of: (one: (typeof sample)[number]) => number): number => sample.reduce((all, one) => all + of(one), 0);
  const ratio =
    sum(({ real }) => real) /
    Math.max(
      1,
      sum((one) => one.estimated),
    );
  const spread = Math.sqrt(sum((one) => (one.real - ratio * one.estimated) ** 2) / (sample.length - 1));
  const half = quantile(sample.length - 1) * spread * Math.sqrt(count ** 2 / sample.length + count);
  const likely = ratio * estimated;
  return { low: Math.max(0, likely - half), likely, high: likely + half };
}

const fewest = 3;

/**
 * Student's distribution: 95 % lie within this many standard errors (Cornish and Fisher's expansion; exact to 2 % from
 * three degrees of freedom). Not 90 %, as no sample shows what it has missed: of a kind that is one answer in ten,
 * every eighth sample of twenty has none. So nine ranges of ten hold over all kinds of work.
 */
function quantile(degrees: number): number {
  const z = 1.96;
  const first = (z ** 3 + z) / 4;
  const second = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  const third = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384;
  return z + first / degrees + second / degrees ** 2 + third / degrees ** 3;
}
