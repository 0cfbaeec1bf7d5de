import {
  AggregatorRegistry,
  collectDefaultMetrics,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from "prom-client";
import { type MetricKey, metricList } from "./metric-list.ts";
import type { Sample, Samples } from "./metric-samples.ts";

export const metricsContentType = Registry.PROMETHEUS_CONTENT_TYPE;

/** Gauges of prom-client with the ending of counters, which Prometheus' tools object to; `nodejs_active_*` has them by type. */
const misnamed = ["handles", "requests", "resources"].map((what) => `nodejs_active_${what}_total`);

/** Writes samples in Prometheus' text format, and beside them Node's own metrics of this process. */
export function createMetricsWriter(): (samples: readonly Samples[]) => Promise<string> {
  const own = new Registry();
  collectDefaultMetrics({ register: own });
  for (const name of misnamed) own.removeSingleMetric(name);
  return (samples) => {
    const metrics = (Object.keys(metricList) as MetricKey[]).map((key) => {
      const { name, type, help } = metricList[key];
      const values = samples.flatMap((some) => some.get(key) ?? []);
      return { name, type, help, values, aggregator: "sum" };
    });
    const ours = AggregatorRegistry.aggregate([metrics as unknown as MetricObjectWithValues<MetricValue<string>>[]]);
    return Registry.merge([ours, own] as Registry[]).metrics();
  };
}

/** A metric that has no labels. */
export function plainSample(key: MetricKey, value: number): Samples {
  return new Map<MetricKey, Sample[]>([[key, [{ labels: {}, value }]]]);
}
