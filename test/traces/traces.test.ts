import { Queue, QueueEvents } from "bullmq";
import { expect, it, onTestFinished } from "vitest";
import { fleetNames } from "../../src/queue/names.ts";
import { givenProject } from "../support/cli.ts";
import { givenWorkplace } from "../support/given-workplace.ts";
import { givenOtlpReceiver } from "../support/otlp-receiver.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();

it("a run tells a collector of its jobs and calls, each call under its job, and of nothing that rows hold", async () => {
  const receiver = await givenOtlpReceiver();
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint, OTEL_SERVICE_NAME: "nightly" };
  const project = await givenProject({ rows: 12, environment, backend: { latencyMs: 40 } });
  expect(await project.run()).toMatchObject({ code: 0 });
  const spans = receiver.spans();
  expect(receiver.resource()).toMatchObject({ "service.name": "nightly", "promptfleet.fleet": "promptfleet" });
  const called = spans.filter(({ name }) => name === "call lab");
  const processed = new Map(spans.filter(({ name }) => name === "process lab").map((span) => [span.spanId, span]));
  const added = new Map(spans.filter(({ name }) => name.startsWith("add")).map((span) => [span.spanId, span]));
  expect(called.length).toBe(12);
  expect(added.size).toBeGreaterThan(0);
  for (const { parentSpanId, traceId, attributes, startMs, endMs } of called) {
    expect(attributes).toMatchObject({
      "promptfleet.tier": "lab",
      "promptfleet.model": "small",
      "promptfleet.outcome": "answered",
      "gen_ai.usage.input_tokens": expect.anything(),
    });
    expect(endMs - startMs).toBeGreaterThan(35);
    const job = processed.get(parentSpanId);
    expect(job?.traceId).toBe(traceId);
    expect(added.get(job!.parentSpanId)?.traceId).toBe(traceId);
  }
  expect(new Set(spans.map(({ name }) => name.split(" ")[0]))).toEqual(new Set(["addBulk", "process", "call"]));
  expect(receiver.text()).not.toMatch(/say something|answer to/);
});

it("what a plain producer calls its job, asks and is answered is in no span", async () => {
  const receiver = await givenOtlpReceiver();
  const redis = await server.listenOnPort();
  const environment = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${receiver.endpoint}/v1/traces` };
  const { fleet, work } = await givenWorkplace(server, redis, { environment });
  const worker = await work();
  const options = { connection: { url: redis }, prefix: fleetNames(fleet).queuePrefix };
  const [queue, events] = [new Queue("lab", options), new QueueEvents("lab", options)];
  onTestFinished(async () => void (await Promise.all([queue.close(), events.close()])));
  await events.waitUntilReady();
  const job = await queue.add("secret name", { prompt: "about #secret", task: "simple" });
  expect(await job.waitUntilFinished(events)).toMatchObject({ text: "answer to secret" });
  worker.signal("SIGTERM");
  expect(await worker.ended).toMatchObject({ code: 0 });
  expect(receiver.spans().map(({ name }) => name)).toEqual(expect.arrayContaining(["process lab", "call lab"]));
  expect(receiver.text()).not.toContain("secret");
});

it("a collector that is not there takes nothing from a run but its spans", async () => {
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" };
  const project = await givenProject({ rows: 20, environment });
  const startedMs = Date.now();
  const ended = await project.run("--json");
  expect(ended).toMatchObject({ code: 0 });
  expect(JSON.parse(ended.stdout.trim().split("\n").at(-1)!)).toMatchObject({ answered: 20, failed: 0 });
  expect(ended.stderr).not.toMatch(/ECONNREFUSED|otlp/i);
  await until("it to have ended soon", () => Date.now() - startedMs < 15_000);
});
