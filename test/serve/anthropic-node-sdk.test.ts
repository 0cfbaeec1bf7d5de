import Anthropic from "@anthropic-ai/sdk";
import type { BatchCreateParams, MessageBatch } from "@anthropic-ai/sdk/resources/messages/batches";
import { describe, expect, test } from "vitest";
import { givenBackend } from "../support/given-backend.ts";
import { unsettled } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServeProcess, givenServer, untilEnded } from "../support/serve.ts";
import { until } from "../support/until.ts";
import { tokens, tokensOfConfig } from "./given-guarded.ts";

const redis = withRedis();

/** Anthropic's own client, unmodified. */
const clientOf = (url: string, apiKey = "none"): Anthropic => new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });

const request = (id: string, model = "small", more: object = {}): BatchCreateParams.Request => ({
  custom_id: id,
  params: { model, max_tokens: 20, messages: [{ role: "user", content: `say something about #${id}` }], ...more },
});
const requests = (count: number, prefix = "r") => Array.from({ length: count }, (_, row) => request(`${prefix}${row}`));

const ended = (client: Anthropic, { id }: Pick<MessageBatch, "id">, timeoutMs = 20_000): Promise<MessageBatch> =>
  until(
    `batch ${id} to end`,
    async () => {
      const batch = await client.messages.batches.retrieve(id);
      return batch.processing_status === "ended" ? batch : undefined;
    },
    timeoutMs,
  );

async function resultsOf(client: Anthropic, id: string) {
  const results = [];
  for await (const result of await client.messages.batches.results(id)) results.push(result);
  return results;
}

/** A server with a tier of Anthropic's API beside `lab`, on SIMULATED backends. */
async function given(options: Parameters<typeof givenServer>[1] = {}) {
  const cloud = await givenBackend();
  const server = await givenServer(redis, {
    ...options,
    config: {
      tiers: { claude: { provider: "anthropic", baseUrl: cloud.baseUrl, location: "local" } },
      models: { "claude.haiku": { tier: "claude", model: "claude-haiku-5-5", contextTokens: 200_000 } },
      ...options.config,
    },
  });
  return { ...server, cloud, anthropic: clientOf(server.url) };
}

describe("Anthropic's Node SDK", () => {
  test("creates, polls, reads results, lists and deletes", async () => {
    const { anthropic, cloud, backend } = await given();
    const { batches } = anthropic.messages;
    const created = await batches.create({
      requests: [request("own", "claude-haiku-5-5"), request("task", "task:simple"), request("lost", "nobody")],
    });
    expect(created).toMatchObject({
      id: expect.stringMatching(/^msgbatch_[0-9a-f]{32}$/),
      type: "message_batch",
      processing_status: "in_progress",
      request_counts: { processing: 3, succeeded: 0, errored: 0, canceled: 0, expired: 0 },
      ended_at: null,
      cancel_initiated_at: null,
      archived_at: null,
      results_url: null,
    });
    expect(Date.parse(created.expires_at) - Date.parse(created.created_at)).toBe(86_400_000);

    const done = await ended(anthropic, created);
    expect(done.request_counts).toEqual({ processing: 0, succeeded: 2, errored: 1, canceled: 0, expired: 0 });
    expect(Date.parse(done.ended_at!)).toBeGreaterThanOrEqual(Date.parse(created.created_at));
    expect(new URL(done.results_url!).pathname).toBe(`/v1/messages/batches/${created.id}/results`);

    const usage = { input_tokens: 20, output_tokens: 5, cache_read_input_tokens: 0 };
    expect(await resultsOf(anthropic, created.id)).toMatchObject([
      {
        custom_id: "own",
        result: {
          type: "succeeded",
          message: {
            id: "msg_1",
            model: "claude-haiku-5-5",
            content: [{ type: "text", text: "answer to own" }],
            usage,
          },
        },
      },
      {
        custom_id: "task",
        result: {
          type: "succeeded",
          message: {
            type: "message",
            model: "small",
            stop_reason: "end_turn",
            content: [{ text: "answer to task" }],
            usage,
          },
        },
      },
      {
        custom_id: "lost",
        result: { type: "errored", error: { type: "error", error: { type: "invalid_request_error" } } },
      },
    ]);
    expect([cloud.requests(), backend.requests()]).toEqual([1, 1]);

    expect(await batches.delete(created.id)).toEqual({ id: created.id, type: "message_batch_deleted" });
    await expect(batches.retrieve(created.id)).rejects.toMatchObject({ status: 404, type: "not_found_error" });
  });

  test("pages through batches both ways, and sees none of OpenAI's API", async () => {
    const { anthropic, client } = await given();
    const { batches } = anthropic.messages;
    const others = await givenBatchOf(client, batchLines(1));
    const ids: string[] = [];
    for (let count = 0; count < 5; count++) {
      const { id } = await batches.create({ requests: requests(1) });
      ids.unshift(id);
      const createdMs = Date.now();
      await until("the next millisecond", () => Date.now() > createdMs);
    }
    const listed: string[] = [];
    for await (const batch of batches.list({ limit: 2 })) listed.push(batch.id);
    expect(listed).toEqual(ids);
    const page = await batches.list({ limit: 2, before_id: ids[3]! });
    expect(page).toMatchObject({ has_more: true, first_id: ids[1], last_id: ids[2] });
    expect((await page.getNextPage()).data.map(({ id }) => id)).toEqual([ids[0]]);
    await expect(batches.list({ after_id: others.id })).rejects.toMatchObject({ status: 400 });
    await expect(batches.list({ limit: 1_001 })).rejects.toMatchObject({ status: 400 });
    await expect(batches.retrieve(others.id)).rejects.toMatchObject({ status: 404, type: "not_found_error" });
    expect((await client.batches.list()).data.map(({ id }) => id)).toEqual([others.id]);
    await untilEnded(client, others.id);
  });

  test("cancels, twice as well as once, and neither reads results nor deletes before the end", async () => {
    const { anthropic, backend } = await given({ concurrency: 2 });
    const { batches } = anthropic.messages;
    backend.setBehaviour({ fault: ({ key }) => (key === "r0" ? undefined : { kind: "stall" }) });
    const batch = await batches.create({ requests: requests(50) });
    const counts = await until("an answer", async () => {
      const { request_counts: now } = await batches.retrieve(batch.id);
      return now.succeeded === 1 ? now : undefined;
    });
    expect(counts).toEqual({ processing: 49, succeeded: 1, errored: 0, canceled: 0, expired: 0 });
    await expect(batches.delete(batch.id)).rejects.toMatchObject({
      status: 400,
      type: "invalid_request_error",
      message: expect.stringContaining("cancel it first"),
    });
    await expect(batches.results(batch.id)).rejects.toThrow(/Has it finished processing\? in_progress/);
    await expect(anthropic.get(`/v1/messages/batches/${batch.id}/results`)).rejects.toMatchObject({
      status: 404,
      type: "not_found_error",
    });

    for (let times = 0; times < 2; times++) {
      const { processing_status: status, cancel_initiated_at: at } = await batches.cancel(batch.id);
      expect(["canceling", "ended"]).toContain(status);
      expect(at).not.toBeNull();
    }
    const done = await ended(anthropic, batch);
    expect(done.request_counts).toEqual({ processing: 0, succeeded: 1, errored: 0, canceled: 49, expired: 0 });
    const results = await resultsOf(anthropic, batch.id);
    expect(new Set(results.map(({ custom_id: id }) => id)).size).toBe(50);
    expect(results.filter(({ result }) => result.type === "canceled")).toHaveLength(49);
    // An end is an end: nothing is left to be cancelled.
    expect(await batches.cancel(batch.id)).toEqual(done);
  });

  test("lists and finds models, as OpenAI's does at the same address", async () => {
    const { anthropic, client } = await given();
    const listed: string[] = [];
    for await (const { id } of anthropic.models.list({ limit: 2 })) listed.push(id);
    expect(listed).toEqual(["small", "claude.haiku", "simulated-model", "claude-haiku-5-5"]);
    expect(await anthropic.models.retrieve("claude.haiku")).toMatchObject({
      id: "claude.haiku",
      type: "model",
      display_name: "claude.haiku",
      max_input_tokens: 200_000,
    });
    await expect(anthropic.models.retrieve("nobody")).rejects.toMatchObject({ status: 404, type: "not_found_error" });
    expect((await client.models.list()).data.map(({ id, object }) => [id, object])).toContainEqual(["small", "model"]);
    await expect(client.models.retrieve("nobody")).rejects.toMatchObject({ status: 404, code: "model_not_found" });
  });
});

test("a token is asked for in Anthropic's words, and others do not read what its batches say", async () => {
  const { url, anthropic } = await given({ config: { serve: { tokens: [...tokensOfConfig] } } });
  await expect(anthropic.messages.batches.list()).rejects.toMatchObject({ status: 401, type: "authentication_error" });
  const job = clientOf(url, tokens.submit);
  const created = await job.messages.batches.create({ requests: requests(2) });
  await ended(job, created);
  expect(await resultsOf(job, created.id)).toHaveLength(2);
  const viewer = clientOf(url, tokens.read);
  expect(await viewer.messages.batches.retrieve(created.id)).toMatchObject({ processing_status: "ended" });
  const forbidden = { status: 403, type: "permission_error" };
  await expect(viewer.messages.batches.results(created.id)).rejects.toMatchObject(forbidden);
  await expect(viewer.messages.batches.delete(created.id)).rejects.toMatchObject(forbidden);
  await job.messages.batches.delete(created.id);
});

test("a batch survives a SIGKILL of the server in the middle, each request with one result", async () => {
  const rows = 120;
  const slots = 8;
  const server = await givenServeProcess({ backend: { latencyMs: 40 }, concurrency: slots });
  const { backend } = server.project;
  const created = await clientOf(server.url).messages.batches.create({ requests: requests(rows) });
  await until("a part to be asked", () => backend.requests() > rows / 3);
  server.process.signal("SIGKILL");
  await server.process.ended;

  await server.startAgain();
  const client = clientOf(server.url);
  const done = await ended(client, created, 60_000);
  expect(done.request_counts).toMatchObject({ succeeded: rows, errored: 0, canceled: 0, expired: 0 });
  const ids = (await resultsOf(client, created.id)).map(({ custom_id: id }) => id);
  expect(ids).toEqual(requests(rows).map(({ custom_id: id }) => id));
  expect(backend.requests() - rows, "calls that were made again").toBeLessThanOrEqual(unsettled(slots));
}, 90_000);

test("rows that no time is left for are expired", async () => {
  const { anthropic, backend, context } = await given();
  backend.setBehaviour({ fault: { kind: "stall" } });
  const lines = (async function* () {
    yield JSON.stringify(request("late"));
  })();
  const order = {
    api: "anthropic",
    input: { lines },
    endpoint: "/v1/messages",
    completionWindow: "1s",
    metadata: {},
  } as const;
  const { id } = await context.batches.create(order);
  const done = await ended(anthropic, { id });
  expect(done.request_counts).toEqual({ processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 1 });
  expect(await resultsOf(anthropic, id)).toEqual([{ custom_id: "late", result: { type: "expired" } }]);
});
