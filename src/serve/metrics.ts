import { setTimeout as sleep } from "node:timers/promises";
import { Router } from "express";
import { readMetrics } from "../pool/share-metrics.ts";
import type { ServeContext } from "./context.ts";
import { createFleetLook } from "./fleet-snapshot.ts";
import type { MetricKey } from "./metric-list.ts";
import { countedSamples, noticedSamples, type Sample, type Samples, snapshotSamples } from "./metric-samples.ts";
import { createMetricsWriter, metricsContentType, plainSample } from "./render-metrics.ts";

/** Redis answers within that, or counts as away. */
const redisTimeoutMs = 3_000;

/** `GET /metrics`: the whole fleet, summed up over its processes. */
export function metricsRoutes(context: Pick<ServeContext, "fleet" | "batches">): Router {
  const { fleet } = context;
  const look = createFleetLook(fleet);
  const write = createMetricsWriter();

  /** Undefined while Redis does not answer: its client would wait for as long as that takes. */
  async function readFleet(): Promise<readonly Samples[] | undefined> {
    if (fleet.redis.status !== "ready") return undefined;
    const counters = fleet.measures.share().then(() => readMetrics(fleet.redis, fleet.names));
    const reading = Promise.all([look.read(), counters]);
    const answer = await Promise.race([reading, sleep(redisTimeoutMs, undefined, { ref: false })]).catch(() => {});
    if (answer === undefined) {
      reading.catch(() => {});
      return undefined;
    }
    const [snapshot, sums] = answer;
    return [countedSamples(sums), noticedSamples([...fleet.processes().values()]), snapshotSamples(snapshot)];
  }

  const router = Router();
  router.get("/metrics", async (_request, response) => {
    const found = await readFleet();
    const samples = [...(found ?? []), plainSample("redisUp", found === undefined ? 0 : 1), batchSamples(context)];
    response.type(metricsContentType).send(await write(samples));
  });
  return router;
}

function batchSamples({ batches }: Pick<ServeContext, "batches">): Samples {
  const counts = new Map<string, number>();
  for (const { status } of batches.list()) counts.set(status, (counts.get(status) ?? 0) + 1);
  const samples = [...counts].map(([status, value]) => ({ labels: { status }, value }));
  return new Map<MetricKey, Sample[]>([["batches", samples]]);
}
