import { createServer, type ServerResponse } from "node:http";
import type { Fleet } from "../fleet.ts";
import { messageOf } from "../job/errors.ts";
import { listen } from "./listen.ts";
import { countedSamples, noticedSamples } from "./metric-samples.ts";
import { createRedisCheck } from "./redis-silence.ts";
import { createMetricsWriter, metricsContentType, plainSample } from "./render-metrics.ts";

export interface WorkerMetrics {
  readonly url: string;
  close(): void;
}

/**
 * `/metrics` (of this process alone), `/healthz` and `/readyz` of a process that only works. It asks for no token and
 * tells nothing that rows hold.
 */
export async function serveWorkerMetrics(
  fleet: Fleet,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<WorkerMetrics> {
  const write = createMetricsWriter();
  const redisTrouble = createRedisCheck(fleet);
  const pages: Readonly<Record<string, (response: ServerResponse) => void | Promise<void>>> = {
    "/metrics": async (response) => {
      const redisUp = plainSample("redisUp", (await redisTrouble()) === undefined ? 1 : 0);
      const own = fleet.processes().get(fleet.processId)!;
      const text = await write([countedSamples(fleet.measures.meter.totals()), noticedSamples([own]), redisUp]);
      response.setHeader("content-type", metricsContentType).end(text);
    },
    "/healthz": (response) => sendStatus(response, 200, "ok"),
    "/readyz": async (response) => {
      const trouble = await redisTrouble();
      sendStatus(response, trouble === undefined ? 200 : 503, trouble ?? "ok");
    },
  };
  const http = createServer((request, response) => {
    const page = pages[(request.url ?? "").split("?")[0]!];
    if (page === undefined || request.method !== "GET") return sendStatus(response, 404, "there is no such page");
    void Promise.resolve(page(response)).catch((error) => sendStatus(response, 500, messageOf(error)));
  });
  return {
    url: await listen(http, { host, port }, "choose another --metrics-port"),
    close() {
      http.close();
      http.closeAllConnections();
    },
  };
}

function sendStatus(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ status: text }));
}
