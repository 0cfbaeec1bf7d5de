/** A metric as Prometheus sees it. */
export interface MetricDefinition {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  readonly help: string;
}

function metric(
  type: MetricDefinition["type"],
  name: string,
  labels: readonly string[],
  help: string,
): MetricDefinition {
  return { type, name: `promptfleet_${name}`, labels, help };
}

/**
 * Every metric of promptfleet: docs/metrics.md, the dashboard and the alerts hold to this list. The first ones are what
 * processes count, under the names of job/meter.ts; the others are read when somebody asks.
 */
export const metricList = {
  rows: metric(
    "counter",
    "rows_total",
    ["tier", "model", "task", "outcome"],
    "Rows of batches that have their result: answered, or failed by that error code.",
  ),
  calls: metric(
    "counter",
    "calls_total",
    ["tier", "model", "outcome"],
    "Calls to backends that ended so, those of rows and online ones; a row may take several.",
  ),
  tokens: metric(
    "counter",
    "tokens_total",
    ["direction", "tier", "model"],
    "Tokens of answered calls, input and output; cached ones are part of input.",
  ),
  costNanoUsd: metric(
    "counter",
    "cost_usd_total",
    ["tier", "model"],
    "US dollars of answered calls, as far as prices are known.",
  ),
  callLatency: metric("histogram", "call_latency_seconds", ["tier", "model"], "How long answered calls took."),
  queueWait: metric("histogram", "queue_wait_seconds", ["tier"], "From the queueing of a job to its first claim."),
  pacingWait: metric(
    "histogram",
    "pacing_wait_seconds",
    ["tier", "model"],
    "From the gate to the call, of rows that limits, slots or budgets apply to.",
  ),
  callsInFlight: metric("gauge", "calls_in_flight", ["tier"], "Calls to backends right now."),
  slots: metric("gauge", "slots", ["tier"], "Calls that may be in flight: as set, or as found so far."),
  tierProcesses: metric("gauge", "tier_processes", ["tier"], "Living processes that work the tier."),
  tierWaiting: metric(
    "gauge",
    "tier_waiting",
    ["tier", "reason"],
    "Processes whose pool of the tier waits, by the kind of reason: down, trouble, paused, limit, slots, budget, queue-paused.",
  ),
  endpointsDown: metric(
    "gauge",
    "endpoints_down",
    ["tier"],
    "Endpoints of the tier that take no calls, as the process sees it that sees most.",
  ),
  windowRows: metric("gauge", "window_rows", ["tier"], "Rows in Redis: fed, and without a result on disk."),
  rowsWaiting: metric(
    "gauge",
    "rows_waiting",
    ["tier"],
    "Rows without a result that are in no call: in Redis, or read and waiting on disk for room there.",
  ),
  jobsWaiting: metric(
    "gauge",
    "jobs_waiting",
    ["tier"],
    "Jobs in the tier's queue that nobody asks for yet; of a very fast tier a job holds several rows.",
  ),
  processes: metric("gauge", "processes", [], "Living processes of the fleet."),
  redisUp: metric("gauge", "redis_up", [], "1 while Redis answers; else 0, and what is read from Redis is missing."),
  redisMemory: metric("gauge", "redis_memory_bytes", [], "Memory that Redis uses."),
  redisMemoryLimit: metric("gauge", "redis_memory_limit_bytes", [], "Redis' maxmemory; 0 where there is none."),
  batches: metric("gauge", "batches", ["status"], "Batches of this server, by their status in OpenAI's words."),
} as const satisfies Record<string, MetricDefinition>;

export type MetricKey = keyof typeof metricList;
