import { bucketBoundsMs, histogramLabels, readField, sumLabel } from "../job/meter.ts";
import type { ProcessNotice } from "../pool/process-notice.ts";
import type { FleetSnapshot } from "./fleet-snapshot.ts";
import { type MetricKey, metricList } from "./metric-list.ts";

export type Labels = Readonly<Record<string, string | number>>;
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** Of histograms: which of its series. */
  readonly metricName?: string;
}
export type Samples = ReadonlyMap<MetricKey, readonly Sample[]>;

/** Collects samples under their metrics. */
function createSamples() {
  const samples = new Map<MetricKey, Sample[]>();
  return {
    samples,
    add(key: MetricKey, labels: Labels, value: number, metricName?: string): void {
      const sample = { labels, value, ...(metricName === undefined ? {} : { metricName }) };
      const known = samples.get(key);
      if (known === undefined) samples.set(key, [sample]);
      else known.push(sample);
    },
  };
}

/** What processes have counted. A counter that only another version of the program knows is left out. */
export function countedSamples(counters: ReadonlyMap<string, number>): Samples {
  const { samples, add } = createSamples();
  const histograms = new Map<string, HistogramParts>();
  for (const [field, sum] of counters) {
    const [family, ...values] = readField(field);
    if (isHistogram(family)) {
      const part = values.pop()!;
      const key = JSON.stringify([family, ...values]);
      const parts = histograms.get(key) ?? { family, labels: labelsOf(family, values), counts: [], sumMs: 0 };
      histograms.set(key, parts);
      if (part === sumLabel) parts.sumMs = sum;
      else parts.counts[Number(part)] = sum;
    } else if (isMetric(family)) {
      add(family, labelsOf(family, values), family === "costNanoUsd" ? sum / 1e9 : sum);
    }
  }
  for (const { family, labels, counts, sumMs } of histograms.values()) {
    const { name } = metricList[family];
    let below = 0;
    for (const [bucket, boundMs] of [...bucketBoundsMs, Number.POSITIVE_INFINITY].entries()) {
      below += counts[bucket] ?? 0;
      add(
        family,
        { ...labels, le: boundMs === Number.POSITIVE_INFINITY ? "+Inf" : boundMs / 1_000 },
        below,
        `${name}_bucket`,
      );
    }
    add(family, labels, sumMs / 1_000, `${name}_sum`);
    add(family, labels, below, `${name}_count`);
  }
  return samples;
}

type HistogramFamily = keyof typeof histogramLabels;
interface HistogramParts {
  readonly family: HistogramFamily;
  readonly labels: Labels;
  readonly counts: number[];
  sumMs: number;
}

const isMetric = (family: string): family is MetricKey => Object.hasOwn(metricList, family);
const isHistogram = (family: string): family is HistogramFamily => Object.hasOwn(histogramLabels, family);

function labelsOf(family: MetricKey, values: readonly (string | number)[]): Labels {
  return Object.fromEntries(metricList[family].labels.map((label, at) => [label, values[at] ?? ""]));
}

/** What processes say of themselves right now. */
export function noticedSamples(notices: readonly ProcessNotice[]): Samples {
  const { samples, add } = createSamples();
  const tiers = new Set(notices.flatMap(({ tiers, rows }) => [...Object.keys(tiers), ...Object.keys(rows)]));
  for (const tier of tiers) {
    const working = notices.flatMap(({ tiers }) => tiers[tier] ?? []);
    const owned = notices.flatMap(({ rows }) => rows[tier] ?? []);
    const running = sum(working.map((notice) => notice.running));
    const fed = sum(owned.map((rows) => rows.fed));
    add("tierProcesses", { tier }, working.length);
    add("callsInFlight", { tier }, running);
    add("slots", { tier }, sum(working.map((notice) => notice.slots)));
    add("endpointsDown", { tier }, Math.max(0, ...working.map((notice) => notice.endpointsDown)));
    add("windowRows", { tier }, fed);
    add("rowsWaiting", { tier }, Math.max(0, fed + sum(owned.map((rows) => rows.parked)) - running));
    const kinds = working.flatMap(({ reasonKind }) => reasonKind ?? []);
    for (const reason of new Set(kinds)) {
      add("tierWaiting", { tier, reason }, kinds.filter((kind) => kind === reason).length);
    }
  }
  return samples;
}

/** What Redis says right now. */
export function snapshotSamples({ tiers, processes, redis }: FleetSnapshot): Samples {
  const { samples, add } = createSamples();
  for (const { tier, waiting } of tiers) add("jobsWaiting", { tier }, waiting);
  add("processes", {}, processes);
  add("redisMemory", {}, redis.usedBytes);
  add("redisMemoryLimit", {}, redis.maxBytes);
  return samples;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
