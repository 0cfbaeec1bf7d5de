/** One line of the table: what was measured, the figure in words, the goal, and whether it was reached. */
export interface Figure {
  readonly what: string;
  readonly figure: string;
  readonly goal: string;
  /** Undefined: there is no goal. */
  readonly met?: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  if (sorted.length === 0) throw new Error("a median needs at least one value");
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** 1234.5 → "1,235"; small numbers keep two digits after the point. */
export function inWords(value: number): string {
  const digits = Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0;
  return value.toLocaleString("en-GB", { maximumFractionDigits: digits });
}
