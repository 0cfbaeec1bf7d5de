/**
 * So many of the rows, spread over all of them: one of each of as many equal parts, by a choice that the seed decides.
 * The rows themselves when there are no more. Pure.
 */
export function chooseSample(rows: readonly number[], size: number, seed: string): ReadonlySet<number> {
  if (rows.length <= size) return new Set(rows);
  const random = randomBy(seed);
  const start = (part: number): number => Math.floor((part * rows.length) / size);
  return new Set(
    Array.from({ length: size }, (_, part) => {
      const first = start(part);
      return rows[first + Math.floor(random() * (start(part + 1) - first))]!;
    }),
  );
}

/** Mulberry32, begun with the first 32 bits of a hash in hexadecimal digits. */
function randomBy(seed: string): () => number {
  let state = Number.parseInt(seed.slice(0, 8), 16) || 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
