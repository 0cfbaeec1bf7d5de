import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import OpenAI from "openai";
import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import type { ConfigFile } from "../../src/config/schema.ts";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, startGivenServer, untilEnded } from "../support/serve.ts";
import { until } from "../support/until.ts";
import { givenReceiver, type ReceivedEvent } from "./given-receiver.ts";

const redis = withRedis();

const withWebhook = (webhook: NonNullable<ConfigFile["serve"]>["webhook"]) => ({ config: { serve: { webhook } } });
const secretOf = (dataDirectory: string) => readFileSync(join(dataDirectory, "serve", "webhook-secret"), "utf8").trim();
const eventOf = ({ body }: ReceivedEvent) =>
  JSON.parse(body) as Record<string, unknown> & { data: Record<string, unknown> };

describe("the end of a batch", () => {
  it("is told to the URL of the config, signed so that the library and OpenAI's client find it true, without what rows hold", async () => {
    const receiver = await givenReceiver();
    const { client, dataDirectory, notices } = await givenServer(
      redis,
      withWebhook({ url: receiver.url, allowPrivate: true }),
    );
    const batch = await untilEnded(
      client,
      (await givenBatchOf(client, batchLines(3), { metadata: { note: "a secret plan" } })).id,
    );
    const [event] = await until("the event", () => (receiver.received.length > 0 ? receiver.received : undefined));
    expect(eventOf(event!)).toMatchObject({
      type: "batch.completed",
      data: {
        id: batch.id,
        request_counts: { total: 3, completed: 3, failed: 0 },
        output_file_id: batch.output_file_id,
      },
    });
    const secret = secretOf(dataDirectory);
    expect(new Webhook(secret).verify(event!.body, event!.headers)).toMatchObject({ type: "batch.completed" });
    expect(() => new Webhook(secret).verify(event!.body.replace("completed", "cancelled"), event!.headers)).toThrow(
      /signature/i,
    );
    const unwrapped = await new OpenAI({ apiKey: "none" }).webhooks.unwrap(event!.body, event!.headers, secret);
    expect(unwrapped).toMatchObject({ object: "event", type: "batch.completed", data: { id: batch.id } });
    expect(event!.body).not.toMatch(/say something|secret plan|simulated/);
    expect(statSync(join(dataDirectory, "serve", "webhook-secret")).mode & 0o777).toBe(0o600);
    expect(notices.join()).toContain(`signed with the secret in ${join(dataDirectory, "serve", "webhook-secret")}`);
    expect(notices.join()).not.toContain(secret);
  });

  it("is told to the batch's own URL instead, whether it failed or was cancelled", async () => {
    const [usual, own] = [await givenReceiver(), await givenReceiver()];
    const options = withWebhook({ url: usual.url, allowPrivate: true });
    const { client } = await givenServer(redis, { ...options, backend: { latencyMs: 60_000 } });
    const metadata = { webhook_url: own.url };
    const failing = await givenBatchOf(client, "no JSON at all\n", { metadata });
    const running = await givenBatchOf(client, batchLines(2), { metadata });
    await client.batches.cancel(running.id);
    const events = await until("both events", () =>
      own.received.length === 2 ? own.received.map(eventOf) : undefined,
    );
    expect(events.map(({ type, data }) => [type, data.id]).sort()).toEqual(
      [
        ["batch.cancelled", running.id],
        [`batch.${(await client.batches.retrieve(failing.id)).status}`, failing.id],
      ].sort(),
    );
    expect(usual.received).toEqual([]);
  });

  it("is told again after a restart, when nobody lived to deliver it", async () => {
    const receiver = await givenReceiver();
    receiver.answerWith(...Array.from({ length: 5 }, () => 500));
    const options = withWebhook({ url: receiver.url, allowPrivate: true });
    const { client, config, dataDirectory, stop, notices } = await givenServer(redis, options);
    const { id } = await untilEnded(client, (await givenBatchOf(client, batchLines(1))).id);
    await until(
      "the first try",
      () => receiver.received.length === 1 && notices.some((line) => line.includes("it answered 500")),
    );
    await stop();
    expect(readdirSync(join(dataDirectory, "serve", "webhooks", "pending"))).toEqual([`evt_${id}_completed.json`]);
    await startGivenServer(redis, config, { dataDirectory });
    const [first, second] = await until("the second try", () =>
      receiver.received.length === 2 ? receiver.received : undefined,
    );
    expect(second!.headers["webhook-id"]).toBe(first!.headers["webhook-id"]);
    new Webhook(secretOf(dataDirectory)).verify(second!.body, second!.headers);
  });

  it("is not told to this machine or its network by a batch, unless the config allows it, and the order says so", async () => {
    const receiver = await givenReceiver();
    const { client } = await givenServer(redis);
    for (const webhookUrl of [
      receiver.url,
      "http://169.254.169.254/latest/meta-data",
      "http://localhost:1/",
      "ftp://a/",
      "x",
    ]) {
      const order = givenBatchOf(client, batchLines(1), { metadata: { webhook_url: webhookUrl } });
      await expect(order).rejects.toMatchObject({ status: 400, param: "metadata.webhook_url" });
    }
    expect((await client.batches.list()).data).toEqual([]);
    expect(receiver.received).toEqual([]);
  });
});

it("a tier that has spent its budget of the day is told of, once", async () => {
  const receiver = await givenReceiver();
  const serve = { webhook: { url: receiver.url, allowPrivate: true } };
  const tiers = {
    paid: { provider: "openai-compatible" as const, baseUrl: "http://127.0.0.1:9/v1", dailyBudgetUsd: 0.000001 },
  };
  const price = { inputPerMTok: 1_000, outputPerMTok: 1_000 };
  const models = { dear: { tier: "paid", model: "simulated-model", price } };
  const { client } = await givenServer(redis, { config: { serve, tiers, models } });
  await givenBatchOf(client, batchLines(2, "r", "dear"));
  const [event] = await until("the event", () =>
    receiver.received.length > 0 ? receiver.received.map(eventOf) : undefined,
  );
  expect(event).toMatchObject({ type: "tier.budget_reached", data: { tier: "paid", daily_budget_usd: 0.000001 } });
});

it("a secret of the environment that is missing, or a URL of the config that may not be told, stops the server's start", async () => {
  const secretEnv = "A_VARIABLE_THAT_NOBODY_SETS";
  await expect(givenServer(redis, withWebhook({ secretEnv }))).rejects.toThrow(
    /secretEnv names A_VARIABLE_THAT_NOBODY_SETS, which is not set/,
  );
  await expect(givenServer(redis, withWebhook({ url: "http://10.0.0.1/" }))).rejects.toThrow(
    /serve.webhook.url: 10.0.0.1 is a private address/,
  );
});
