/** How fast models answer: noted here as rows are answered, told to and learned from the whole fleet now and then. */
export interface Latencies {
  note(alias: string, latencyMs: number): void;
  /** What was noted since it was last asked for, and forgets it. */
  takeNoted(): Map<string, { readonly calls: number; readonly totalMs: number }>;
  /** The fleet's means from now on. */
  learn(meansMs: ReadonlyMap<string, number>): void;
  meanMsOf(alias: string): number | undefined;
  /** Changes whenever something was learned. */
  version(): number;
}

export function createLatencies(): Latencies {
  let noted = new Map<string, { calls: number; totalMs: number }>();
  let means: ReadonlyMap<string, number> = new Map();
  let version = 0;
  return {
    note(alias, latencyMs) {
      const sum = noted.get(alias);
      if (sum === undefined) noted.set(alias, { calls: 1, totalMs: latencyMs });
      else {
        sum.calls++;
        sum.totalMs += latencyMs;
      }
    },
    takeNoted() {
      const taken = noted;
      noted = new Map();
      return taken;
    },
    learn(meansMs) {
      means = meansMs;
      version++;
    },
    meanMsOf: (alias) => means.get(alias),
    version: () => version,
  };
}
