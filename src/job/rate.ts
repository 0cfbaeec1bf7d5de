/** How fast something grows, over about the last so many milliseconds. */
export interface Rate {
  add(count: number, nowMs: number): void;
  perSecond(): number;
}

export function createRate(windowMs: number): Rate {
  const samples: { readonly atMs: number; readonly count: number }[] = [];
  return {
    add(count, nowMs) {
      samples.push({ atMs: nowMs, count });
      while (samples.length > 2 && samples[0]!.atMs < nowMs - windowMs) samples.shift();
    },
    perSecond() {
      const first = samples[0];
      const last = samples.at(-1);
      if (first === undefined || last === undefined || last.atMs === first.atMs) return 0;
      return ((last.count - first.count) * 1_000) / (last.atMs - first.atMs);
    },
  };
}
