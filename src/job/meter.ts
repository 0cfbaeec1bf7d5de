import type { EndedCall } from "./ended-call.ts";
import type { ResultLine } from "./result.ts";

/** What is counted, by family, and the labels of each; amounts are whole numbers, so that sums of many stay exact. */
export const counterLabels = {
  /** Rows with their result on disk, or delivered. */
  rows: ["tier", "model", "task", "outcome"],
  calls: ["tier", "model", "outcome"],
  tokens: ["direction", "tier", "model"],
  /** In billionths of a US dollar. */
  costNanoUsd: ["tier", "model"],
} as const;

/** What is measured in ms, as counts by bucket; a last label `sum` holds the ms together. */
export const histogramLabels = {
  /** Of answered calls. */
  callLatency: ["tier", "model"],
  /** From the placing of a job to its first claim. */
  queueWait: ["tier"],
  /** From the gate to the call, of rows that limits apply to. */
  pacingWait: ["tier", "model"],
} as const;

/** Upper bounds in ms; one more bucket takes what is above the last. */
export const bucketBoundsMs: readonly number[] = [
  ...[10, 25, 50, 100, 250, 500],
  ...[1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 120_000, 300_000, 600_000],
];
export const sumLabel = "sum";

/** Counts what happens in this process: a few additions a row. No label holds what a row could make up. */
export interface Meter {
  callEnded(call: EndedCall): void;
  rowEnded(result: Pick<ResultLine, "tier" | "model" | "task" | "error">): void;
  queueWaited(tier: string, waitMs: number): void;
  pacingWaited(tier: string, model: string, waitMs: number): void;
  /** What came to each field since it was last asked for, and forgets it. */
  take(): Map<string, number>;
  /** What was taken and did not arrive. */
  giveBack(taken: ReadonlyMap<string, number>): void;
  /** Each field since this process began. */
  totals(): ReadonlyMap<string, number>;
}

/** One counter: its family and the values of its labels. */
export const fieldOf = (family: string, ...labels: readonly (string | number)[]): string =>
  JSON.stringify([family, ...labels]);
export const readField = (field: string): readonly [family: string, ...labels: (string | number)[]] =>
  JSON.parse(field);

interface Histogram {
  readonly counts: number[];
  sumMs: number;
}

interface CallCounts {
  readonly tier: string;
  readonly model: string;
  readonly outcomes: Map<string, number>;
  readonly latency: Histogram;
  input: number;
  output: number;
  cached: number;
  nanoUsd: number;
}

/** @param known names that may be labels; rows and other processes can name others, which count as "other". */
export function createMeter(known: { readonly models: readonly string[]; readonly tasks: readonly string[] }): Meter {
  const models = new Set(known.models);
  const tasks = new Set(known.tasks);
  const calls = new Map<string, CallCounts>();
  const rows = new Map<string, number>();
  const queueWaits = new Map<string, Histogram>();
  const pacingWaits = new Map<string, Histogram>();
  const totals = new Map<string, number>();
  let untaken = new Map<string, number>();

  const modelLabel = (model: string): string => (models.has(model) ? model : "other");

  function callsOf(tier: string, alias: string): CallCounts {
    const model = modelLabel(alias);
    const key = `${tier}\n${model}`;
    let counts = calls.get(key);
    if (counts === undefined) {
      const nothing = { input: 0, output: 0, cached: 0, nanoUsd: 0 };
      counts = { tier, model, outcomes: new Map(), latency: emptyHistogram(), ...nothing };
      calls.set(key, counts);
    }
    return counts;
  }

  function add(field: string, amount: number): void {
    // Whatever a backend says of its tokens, a counter never falls.
    if (!(amount > 0)) return;
    const whole = Math.round(amount);
    untaken.set(field, (untaken.get(field) ?? 0) + whole);
    totals.set(field, (totals.get(field) ?? 0) + whole);
  }

  function addHistogram(family: keyof typeof histogramLabels, labels: readonly string[], histogram: Histogram): void {
    histogram.counts.forEach((count, bucket) => {
      add(fieldOf(family, ...labels, bucket), count);
    });
    add(fieldOf(family, ...labels, sumLabel), histogram.sumMs);
    histogram.counts.fill(0);
    histogram.sumMs = 0;
  }

  /** Puts what was counted under its fields. */
  function collect(): void {
    for (const counts of calls.values()) {
      const { tier, model, outcomes, latency } = counts;
      for (const [outcome, count] of outcomes) add(fieldOf("calls", tier, model, outcome), count);
      outcomes.clear();
      addHistogram("callLatency", [tier, model], latency);
      for (const direction of ["input", "output", "cached"] as const) {
        add(fieldOf("tokens", direction, tier, model), counts[direction]);
        counts[direction] = 0;
      }
      add(fieldOf("costNanoUsd", tier, model), counts.nanoUsd);
      counts.nanoUsd = 0;
    }
    for (const [key, count] of rows) add(fieldOf("rows", ...key.split("\n")), count);
    rows.clear();
    for (const [tier, histogram] of queueWaits) addHistogram("queueWait", [tier], histogram);
    for (const [key, histogram] of pacingWaits) addHistogram("pacingWait", key.split("\n"), histogram);
  }

  return {
    callEnded({ tier, model, outcome, latencyMs, costUsd }) {
      const counts = callsOf(tier, model);
      counts.outcomes.set(outcome.kind, (counts.outcomes.get(outcome.kind) ?? 0) + 1);
      if (outcome.kind !== "answered") return;
      observe(counts.latency, latencyMs);
      const { usage } = outcome.answer;
      counts.input += usage.inputTokens;
      counts.output += usage.outputTokens;
      counts.cached += usage.cachedTokens;
      counts.nanoUsd += Math.round(costUsd * 1e9);
    },
    rowEnded({ tier, model, task, error }) {
      const modelName = model === null ? "none" : modelLabel(model);
      const taskName = task === null ? "none" : tasks.has(task) ? task : "other";
      const key = `${tier ?? "none"}\n${modelName}\n${taskName}\n${error === null ? "answered" : error.code}`;
      rows.set(key, (rows.get(key) ?? 0) + 1);
    },
    queueWaited: (tier, waitMs) => observe(histogramAt(queueWaits, tier), waitMs),
    pacingWaited: (tier, model, waitMs) => observe(histogramAt(pacingWaits, `${tier}\n${modelLabel(model)}`), waitMs),
    take() {
      collect();
      const taken = untaken;
      untaken = new Map();
      return taken;
    },
    giveBack(taken) {
      for (const [field, amount] of taken) untaken.set(field, (untaken.get(field) ?? 0) + amount);
    },
    totals() {
      collect();
      return totals;
    },
  };
}

const emptyHistogram = (): Histogram => ({ counts: bucketBoundsMs.map(() => 0).concat(0), sumMs: 0 });

function histogramAt(histograms: Map<string, Histogram>, key: string): Histogram {
  let histogram = histograms.get(key);
  if (histogram === undefined) {
    histogram = emptyHistogram();
    histograms.set(key, histogram);
  }
  return histogram;
}

/** What clocks of two machines make negative counts as nothing. */
function observe(histogram: Histogram, ms: number): void {
  let bucket = 0;
  while (bucket < bucketBoundsMs.length && ms > bucketBoundsMs[bucket]!) bucket++;
  histogram.counts[bucket]!++;
  histogram.sumMs += Math.max(0, Math.round(ms));
}
