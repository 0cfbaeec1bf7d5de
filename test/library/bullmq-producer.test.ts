import { Queue, QueueEvents } from "bullmq";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { Result } from "../../src/index.ts";
import { fleetNames, foreignResultKey } from "../../src/queue/names.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";
import { givenFleet } from "./given-fleet.ts";

const server = withRedis();
let redis: string;
beforeAll(async () => {
  redis = await server.listenOnPort();
});

/** A producer that knows BullMQ only. */
async function givenProducer(fleet: string, queueName: string) {
  const options = { connection: { url: redis }, prefix: `{${fleet}}` };
  const queue = new Queue(queueName, options);
  queue.setMaxListeners(0);
  const events = new QueueEvents(queueName, options);
  onTestFinished(async () => {
    await events.close();
    await queue.close();
  });
  await events.waitUntilReady();
  return {
    queue,
    async add(data: unknown): Promise<{ readonly jobId: string; readonly value: unknown }> {
      const job = await queue.add("row", data);
      return { jobId: job.id!, value: await job.waitUntilFinished(events) };
    },
  };
}

/** A fleet that works both tiers, and a producer for one of its queues. */
async function given(queueName: string, behaviour: Parameters<typeof givenFleet>[0] = {}) {
  const parts = await givenFleet(behaviour);
  const name = server.newFleetName();
  const fleet = await parts.open({ redis, fleet: name, tiers: ["lab", "cloud"] });
  return { ...parts, fleet, name, names: fleetNames(name), producer: await givenProducer(name, queueName) };
}

describe.each(["lab", "inbox"])("a flat row that a plain BullMQ producer adds to the queue %s", (queueName) => {
  it("is answered as the job's return value; its id is the job's", async () => {
    const { producer, backend } = await given(queueName);
    const { jobId, value } = await producer.add({ task: "simple", prompt: "about #a", metadata: { page: 7 } });
    expect(value).toMatchObject({
      id: jobId,
      task: "simple",
      status: "answered",
      text: "answer to a",
      model: "small",
      tier: "lab",
      metadata: { page: 7 },
      usage: { input_tokens: 20 },
    });
    expect(backend.requests()).toBe(1);
  });

  it("keeps an id of its own, and needs no task", async () => {
    const { producer } = await given(queueName);
    const { value } = await producer.add({ id: "mine", messages: [{ role: "user", content: "about #b" }] });
    expect(value).toMatchObject({ id: "mine", status: "answered", text: "answer to b" });
  });

  it("fails as a result, not as a job, when it cannot be asked", async () => {
    const { producer, backend } = await given(queueName);
    const wrong = [
      [{ task: "simple" }, "prompt"],
      [{ task: "simpel", prompt: "hello" }, 'unknown task "simpel"'],
      [{ model: "tiny", prompt: "hello" }, 'unknown model "tiny"'],
      ["not a row", "object"],
      [null, "object"],
      [{ batch: 7, prompt: 3 }, "prompt"],
    ] as const;
    for (const [data, said] of wrong) {
      const { value } = await producer.add(data);
      expect(value, JSON.stringify(data)).toMatchObject({ status: "failed", error: { code: "invalid_row" } });
      expect((value as Result).error?.message).toContain(said);
    }
    expect(backend.requests()).toBe(0);
  });

  it("when it is private: its answer lies under a key that expires, and not in the job", async () => {
    const { producer, names, cloud } = await given(queueName);
    const { jobId, value } = await producer.add({ task: "secret", prompt: "about #s", metadata: { of: "Jane" } });
    const key = foreignResultKey(names, queueName, jobId);
    expect(value).toEqual({ id: jobId, status: "answered", result_key: key });
    expect(JSON.parse((await server.client.get(key))!)).toMatchObject({
      text: "answer to s",
      metadata: { of: "Jane" },
    });
    expect(await server.client.ttl(key)).toBeGreaterThan(0);
    expect(cloud.requests()).toBe(0);
  });

  it("when it is private and fails: why lies under the key, too", async () => {
    const { producer, names } = await given(queueName, { fault: { kind: "status", status: 400 } });
    const { jobId, value } = await producer.add({ task: "secret", prompt: "about #s", metadata: { of: "Jane" } });
    const key = foreignResultKey(names, queueName, jobId);
    expect(value).toEqual({ id: jobId, status: "failed", result_key: key });
    expect(JSON.parse((await server.client.get(key))!)).toMatchObject({
      error: { code: "rejected" },
      metadata: { of: "Jane" },
    });
  });

  it("waits while the backend is down, and is answered when it is up", async () => {
    const { producer, backend } = await given(queueName, { fault: { kind: "reset" } });
    const waiting = producer.add({ task: "simple", prompt: "about #a" });
    await until("calls that break", () => backend.requests() > 1);
    expect(await producer.queue.getJobCounts("completed", "failed")).toEqual({ completed: 0, failed: 0 });
    backend.setBehaviour({ fault: undefined });
    expect((await waiting).value).toMatchObject({ status: "answered", text: "answer to a" });
  });

  it("that a client in another language adds with options of its own is answered once", async () => {
    const { producer, backend } = await given(queueName);
    // What BullMQ for Python sends: attempts, a back-off and a job id.
    const options = { jobId: "py-1", attempts: 3, backoff: { type: "fixed", delay: 10 } };
    await producer.queue.add("row", { prompt: "about #py" }, options);
    await producer.queue.add("row", { prompt: "about #py" }, options);
    await until(
      "the job to be completed",
      async () => (await producer.queue.getJobCounts("completed")).completed === 1,
    );
    const job = await producer.queue.getJob("py-1");
    expect(job?.returnvalue).toMatchObject({ id: "py-1", text: "answer to py" });
    expect(backend.requests()).toBe(1);
  });

  it("when it is private and cannot be asked: nothing of it lies in the job's return value", async () => {
    const { producer } = await given(queueName);
    const metadata = { of: "Jane" };
    const refused = await producer.add({ id: "a", model: "large", private: true, prompt: "about #a", metadata });
    expect(refused.value).toMatchObject({ id: "a", status: "failed", error: { code: "policy_refused" } });
    const invalid = await producer.add({ id: "b", private: true, prompt: 7, metadata });
    expect(invalid.value).toMatchObject({ id: "b", status: "failed", error: { code: "invalid_row" } });
    expect(JSON.stringify([refused.value, invalid.value])).not.toContain("Jane");
  });

  it("comes with many others: each is answered once", async () => {
    const { producer, backend } = await given(queueName, { latencyMs: 5 });
    const keys = Array.from({ length: 100 }, (_, number) => `m${number}`);
    const values = await Promise.all(keys.map((key) => producer.add({ id: key, prompt: `about #${key}` })));
    expect(values.map(({ value }) => (value as Result).text)).toEqual(keys.map((key) => `answer to ${key}`));
    expect(backend.requests()).toBe(100);
    expect(Math.max(...backend.countsByKey.values())).toBe(1);
  });
});

describe("the queue inbox", () => {
  it("routes by task, to whatever tier", async () => {
    const { producer, cloud, backend } = await given("inbox");
    expect((await producer.add({ task: "big", prompt: "about #a" })).value).toMatchObject({ tier: "cloud" });
    expect((await producer.add({ task: "simple", prompt: "about #b" })).value).toMatchObject({ tier: "lab" });
    expect([cloud.requests(), backend.requests()]).toEqual([1, 1]);
  });

  it("never lets a private row reach a cloud tier", async () => {
    const { producer, cloud } = await given("inbox");
    const { value } = await producer.add({ task: "big", private: true, prompt: "about #a" });
    expect(value).toMatchObject({ status: "failed", error: { code: "policy_refused" } });
    expect(cloud.requests()).toBe(0);
  });
});

describe("the queue of a tier", () => {
  it("refuses a row whose route does not lead there, and names the inbox", async () => {
    const { producer, backend, cloud } = await given("cloud");
    const { value } = await producer.add({ task: "simple", prompt: "about #a" });
    expect(value).toMatchObject({ status: "failed", error: { code: "invalid_row" } });
    expect((value as Result).error?.message).toMatch(/small.*no model on tier cloud.*inbox/);
    expect([cloud.requests(), backend.requests()]).toEqual([0, 0]);
  });

  it("of a cloud refuses a private row", async () => {
    const { producer, cloud } = await given("cloud");
    const { value } = await producer.add({ model: "large", private: true, prompt: "about #a" });
    expect(value).toMatchObject({ status: "failed", error: { code: "policy_refused" } });
    expect(cloud.requests()).toBe(0);
  });
});
