import { describe, expect, it } from "vitest";
import { batchesQueue } from "../../src/queue/names.ts";
import { finalStatuses } from "../../src/serve/batch-record.ts";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, linesOfFile, startGivenServer, untilEnded } from "../support/serve.ts";
import { until } from "../support/until.ts";

const redis = withRedis();
const isSlow = (key: string) => key.startsWith("slow");

describe("a batch whose completion window ends", () => {
  it("has what was answered in its output and the rest as batch_expired among the errors", async () => {
    const { client } = await givenServer(redis, {
      backend: { fault: ({ key }) => (isSlow(key) ? { kind: "stall" } : undefined) },
    });
    const { id } = await givenBatchOf(client, batchLines(5) + batchLines(3, "slow"), {
      completion_window: "2s" as "24h",
    });
    const ended = await untilEnded(client, id);
    expect(ended).toMatchObject({ status: "expired", request_counts: { total: 8, completed: 5, failed: 3 } });
    expect(ended.expired_at).toBeGreaterThanOrEqual(ended.expires_at!);
    expect((await linesOfFile(client, ended.output_file_id)).map((line) => line.custom_id)).toEqual([
      "r0",
      "r1",
      "r2",
      "r3",
      "r4",
    ]);
    const errors = await linesOfFile(client, ended.error_file_id);
    expect(errors.map((line) => line.custom_id)).toEqual(["slow0", "slow1", "slow2"]);
    expect(errors[0]).toMatchObject({ response: null, error: { code: "batch_expired" } });
  });

  it("runs on where the window is advisory", async () => {
    const { client, backend } = await givenServer(redis, { config: { serve: { completionWindow: "advisory" } } });
    backend.setBehaviour({ latencyMs: 2_500 });
    const { id } = await givenBatchOf(client, batchLines(2), { completion_window: "1s" as "24h" });
    const ended = await untilEnded(client, id);
    expect(ended).toMatchObject({ status: "completed", request_counts: { completed: 2, failed: 0 } });
    expect(ended.completed_at).toBeGreaterThan(ended.expires_at!);
  });
});

it("a cancelled batch keeps what was answered; the rest stands among the errors as cancelled", async () => {
  const { client, backend } = await givenServer(redis);
  backend.setBehaviour({ fault: ({ key }) => (isSlow(key) ? { kind: "stall" } : undefined) });
  const { id } = await givenBatchOf(client, batchLines(4) + batchLines(3, "slow"));
  await until(
    "the quick ones to be answered",
    async () => (await client.batches.retrieve(id)).request_counts!.completed === 4,
  );
  await client.batches.cancel(id);
  const ended = await untilEnded(client, id);
  expect(ended).toMatchObject({ status: "cancelled", request_counts: { total: 7, completed: 4, failed: 3 } });
  expect(ended.cancelled_at).toBeGreaterThanOrEqual(ended.cancelling_at!);
  expect(await linesOfFile(client, ended.output_file_id)).toHaveLength(4);
  expect(await linesOfFile(client, ended.error_file_id)).toMatchObject(
    ["slow0", "slow1", "slow2"].map((custom_id) => ({ custom_id, response: null, error: { code: "batch_cancelled" } })),
  );
});

it("its results can be read while it runs, and in input order once it has ended", async () => {
  const { client, backend, url } = await givenServer(redis);
  backend.setBehaviour({ fault: ({ key }) => (isSlow(key) ? { kind: "stall" } : undefined) });
  const { id } = await givenBatchOf(client, batchLines(1, "slow") + batchLines(4));
  const read = async () => {
    const text = await (await fetch(`${url}/v1/batches/${id}/results`)).text();
    return text
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { id: string; status: string; tier: string });
  };
  await until("the quick ones to be there", async () => (await read()).length === 4);
  expect(new Set((await read()).map((result) => result.id))).toEqual(new Set(["r0", "r1", "r2", "r3"]));
  await client.batches.cancel(id);
  await untilEnded(client, id);
  expect((await read()).map((result) => result.id)).toEqual(["slow0", "r0", "r1", "r2", "r3"]);
  expect((await read())[1]).toMatchObject({ status: "answered", tier: "lab" });
});

it("each batch is a job of the queue batches, active while it runs, with labels only", async () => {
  const { client, backend, context } = await givenServer(redis);
  backend.setBehaviour({ fault: { kind: "stall" } });
  const { id } = await givenBatchOf(client, batchLines(2), { metadata: { secret: "words" } });
  const queue = context.fleet.queues.of(batchesQueue);
  await until(
    "its job to be active",
    async () => (await queue.getJob(id)) && (await queue.getJobState(id)) === "active",
  );
  await until("its labels to have its rows", async () => (await queue.getJob(id))!.data.rows === 2);
  expect(JSON.stringify((await queue.getJob(id))!.asJSON())).not.toMatch(/words|say something|in\.jsonl/);

  await client.batches.cancel(id);
  await untilEnded(client, id);
  await until("its job to be completed", async () => (await queue.getJobState(id)) === "completed");
});

it("metadata make every line private, or of a task, and a body may name a task or a provider's model", async () => {
  const { client, context } = await givenServer(redis, {
    config: {
      tiers: {
        cloud: { provider: "openai-compatible", baseUrl: "http://127.0.0.1:9/v1", location: "cloud", limits: {} },
      },
      models: { far: { tier: "cloud", model: "far-model" } },
      tasks: { private: { primary: "far", fallback: ["small"], private: true } },
    },
  });
  const { id } = await givenBatchOf(client, batchLines(1, "far", "far") + batchLines(1, "near", "simulated-model"), {
    metadata: { private: "true" },
  });
  const ended = await untilEnded(client, id);
  expect(await linesOfFile(client, ended.error_file_id)).toMatchObject([
    { custom_id: "far0", error: { code: "policy_refused" } },
  ]);
  expect(await linesOfFile(client, ended.output_file_id)).toMatchObject([{ custom_id: "near0" }]);

  const named = await givenBatchOf(client, batchLines(1, "a", "task:private") + batchLines(1, "b", "auto"), {
    metadata: { task: "private" },
  });
  await untilEnded(client, named.id);
  const results: unknown[] = [];
  for await (const result of context.batches.results(named.id)) results.push(result);
  expect(results).toMatchObject([
    { id: "a0", status: "answered", task: "private", model: "small" },
    { id: "b0", status: "answered", task: "private", model: "small" },
  ]);
});

it("a second server of the same data directory sees a batch, changes it, and takes it over when the first has gone", async () => {
  const first = await givenServer(redis, { backend: { latencyMs: 300 }, concurrency: 4 });
  const { dataDirectory, config } = first;
  const second = await startGivenServer(redis, config, { dataDirectory });
  const { id } = await givenBatchOf(first.client, batchLines(60));
  await until("the second to see it at work", () => (second.context.batches.get(id)?.counts.completed ?? 0) > 0);

  await second.client.post(`/batches/${id}`, { body: { weight: 5 } });
  await until("the first to know", () => first.context.batches.get(id)?.weight === 5);
  await first.stop();
  expect(finalStatuses).not.toContain(second.context.batches.get(id)!.status);
  const ended = await untilEnded(second.client, id, 40_000);
  expect(ended).toMatchObject({ status: "completed", request_counts: { total: 60, completed: 60, failed: 0 } });
  expect(await linesOfFile(second.client, ended.output_file_id)).toHaveLength(60);

  const third = await givenBatchOf(second.client, batchLines(3));
  await untilEnded(second.client, third.id);
  expect((await second.client.batches.list()).data.map((batch) => batch.id)).toEqual([third.id, id]);
}, 60_000);

it("an answer may hold any character, also those that some take for the end of a line", async () => {
  const text = "one\u2028two\u2029three\u0085four";
  const { client } = await givenServer(redis, { backend: { answer: () => text } });
  const { id } = await givenBatchOf(client, batchLines(2));
  const ended = await untilEnded(client, id);
  expect(ended).toMatchObject({ status: "completed", request_counts: { completed: 2, failed: 0 } });
  const lines = await linesOfFile(client, ended.output_file_id);
  expect(lines.map(({ response }) => response)).toMatchObject(
    [1, 2].map(() => ({ body: { choices: [{ message: { content: text } }] } })),
  );
});
