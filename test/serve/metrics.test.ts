import { globSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { withMetricsTable } from "../../scripts/gen-metrics-docs.ts";
import { counterLabels, histogramLabels } from "../../src/job/meter.ts";
import { type MetricDefinition, metricList } from "../../src/serve/metric-list.ts";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, startGivenServer, untilEnded } from "../support/serve.ts";
import { until } from "../support/until.ts";

const server = withRedis();

async function scrape(url: string): Promise<string> {
  const response = await fetch(`${url}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  return response.text();
}

/** The value of the one line that begins so. */
function amountOf(text: string, series: string): number {
  const lines = text.split("\n").filter((line) => line.startsWith(`${series} `));
  expect(lines.length, `lines of ${series} in\n${text}`).toBe(1);
  return Number(lines[0]!.slice(series.length));
}

describe("GET /metrics", () => {
  it("sums rows, calls, tokens and times up over the processes of the fleet, those that left included", async () => {
    const first = await givenServer(server, { backend: { latencyMs: 30 } });
    const other = await startGivenServer(server, first.config, { withPools: false });
    const lines = `${batchLines(40)}${batchLines(1, "unknown", "nobody/knows-it")}`;
    const batch = await givenBatchOf(first.client, lines);
    const { usage } = await untilEnded(first.client, batch.id);
    const check = (text: string) => {
      expect(amountOf(text, 'promptfleet_rows_total{tier="lab",model="small",task="none",outcome="answered"}')).toBe(
        40,
      );
      expect(text).toMatch(/promptfleet_rows_total\{tier="none",model="none",.*outcome="invalid_row"\} 1\n/);
      expect(amountOf(text, 'promptfleet_calls_total{tier="lab",model="small",outcome="answered"}')).toBe(40);
      const input = amountOf(text, 'promptfleet_tokens_total{direction="input",tier="lab",model="small"}');
      expect(input).toBe(usage?.input_tokens);
      const latency = (what: string) => amountOf(text, `promptfleet_call_latency_seconds_${what}`);
      expect(latency('count{tier="lab",model="small"}')).toBe(40);
      expect(latency('bucket{tier="lab",model="small",le="+Inf"}')).toBe(40);
      expect(latency('bucket{tier="lab",model="small",le="0.025"}')).toBe(0);
      expect(latency('sum{tier="lab",model="small"}')).toBeGreaterThanOrEqual(1.2);
      expect(text).toMatch(/promptfleet_queue_wait_seconds_count\{tier="lab"\} [1-9]/);
      expect(amountOf(text, "promptfleet_redis_up")).toBe(1);
      expect(amountOf(text, "promptfleet_redis_memory_bytes")).toBeGreaterThan(500_000);
    };
    const text = await until("each to have heard of the other", async () => {
      const found = await scrape(first.url);
      return amountOf(found, "promptfleet_processes") === 2 ? found : undefined;
    });
    check(text);
    expect(amountOf(text, 'promptfleet_slots{tier="lab"}')).toBe(16);
    expect(amountOf(text, 'promptfleet_batches{status="completed"}')).toBe(1);
    expect(text).toContain("process_resident_memory_bytes");
    check(await scrape(other.url));
    await first.stop();
    const after = await scrape(other.url);
    check(after);
    await until("the other to be alone", async () => {
      return amountOf(await scrape(other.url), "promptfleet_processes") === 1;
    });
  });

  it("shows what is in flight, what waits, and by which kind of reason a tier waits", async () => {
    const { client, url, backend } = await givenServer(server, { backend: { latencyMs: 60_000 }, concurrency: 3 });
    const batch = await givenBatchOf(client, batchLines(30));
    await until("calls in flight", () => backend.inFlight > 0);
    const busy = await until("the whole batch to be read", async () => {
      const text = await scrape(url);
      const inFlight = amountOf(text, 'promptfleet_calls_in_flight{tier="lab"}');
      const isAllRead = amountOf(text, 'promptfleet_window_rows{tier="lab"}') === 30;
      return isAllRead && inFlight === backend.inFlight ? text : undefined;
    });
    expect(amountOf(busy, 'promptfleet_rows_waiting{tier="lab"}')).toBe(30 - backend.inFlight);
    expect(busy).not.toContain("promptfleet_tier_waiting{");
    await client.batches.cancel(batch.id);
    await untilEnded(client, batch.id);
    const cancelled = await scrape(url);
    expect(cancelled).toMatch(/promptfleet_rows_total\{[^}]*outcome="cancelled"\} 30\n/);
    expect(amountOf(cancelled, 'promptfleet_rows_waiting{tier="lab"}')).toBe(0);
  });

  it("tells that a backend is down", async () => {
    const { client, url, backend } = await givenServer(server);
    await backend.close();
    await givenBatchOf(client, batchLines(3));
    await until("the tier to wait", async () =>
      (await scrape(url)).includes('promptfleet_tier_waiting{tier="lab",reason="down"} 1'),
    );
  });

  it("holds no text of a row, whatever it calls its task and model", async () => {
    const { client, url } = await givenServer(server);
    const body = { model: "secret-model", messages: [{ role: "user", content: "secret prompt" }] };
    const line = { custom_id: "secret-id", method: "POST", url: "/v1/chat/completions", task: "secret-task", body };
    const batch = await givenBatchOf(client, `${JSON.stringify(line)}\n`, { metadata: { note: "secret note" } });
    await untilEnded(client, batch.id);
    const text = await scrape(url);
    expect(text).toMatch(/promptfleet_rows_total\{.*\} 1\n/);
    expect(text).not.toContain("secret");
  });
});

describe("the metrics that are written about", () => {
  const defined: readonly MetricDefinition[] = Object.values(metricList);
  const names = new Set(defined.map(({ name }) => name));
  const files = globSync("config/{prometheus,grafana}/**/*.{yml,json}", { cwd: process.cwd() });

  it.each(files)("%s asks for none that is not there, and by no label that it has not", (file) => {
    const text = readFileSync(file, "utf8");
    for (const [, found] of text.matchAll(/\b(promptfleet_[a-z_]+)(?![a-z_.*])/g)) {
      const name = names.has(found!) ? found! : found!.replace(/_(?:bucket|sum|count)$/, "");
      expect(names, `${file} names ${found}`).toContain(name);
    }
    const byName = new Map(defined.map((one) => [one.name, one]));
    for (const [, found, matchers] of text.matchAll(/\b(promptfleet_[a-z_]+)\{([^}]*)\}/g)) {
      const metric = byName.get(found!) ?? byName.get(found!.replace(/_(?:bucket|sum|count)$/, ""));
      for (const [, label] of matchers!.matchAll(/(\w+)\s*[=!]/g)) expect(metric?.labels, found!).toContain(label);
    }
  });

  it("the dashboard and the alerts use all of them", () => {
    const text = files.map((file) => readFileSync(file, "utf8")).join();
    for (const name of names) expect(text).toMatch(new RegExp(`${name}(?:_bucket)?\\b`));
  });

  it("docs/metrics.md has each, as the list says (node scripts/gen-metrics-docs.ts writes it)", () => {
    const document = readFileSync("docs/metrics.md", "utf8");
    expect(document).toBe(withMetricsTable(document));
  });

  it("what is counted has the labels under which it is shown", () => {
    for (const [family, labels] of Object.entries({ ...counterLabels, ...histogramLabels })) {
      expect(metricList[family as keyof typeof metricList].labels).toEqual(labels);
    }
  });
});
