import { describe, expect, it } from "vitest";
import { watchMemory } from "../../src/queue/memory-watch.ts";
import { givenBatch } from "../support/given-batch.ts";
import { finishWhole, runInTheMiddle } from "../support/given-middle.ts";
import { givenRedis, withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();

describe("a Redis that fills up", () => {
  it("is fed until it is at four fifths of its maxmemory, and again when it is below", async () => {
    const { client } = await givenRedis();
    const memory = watchMemory(client);
    await memory.look();
    expect(memory.tooFull()).toBeUndefined();
    const used = Number(/^used_memory:(\d+)/m.exec(await client.info("memory"))?.[1]);
    await client.config("SET", "maxmemory", String(Math.round(used / 0.9)));
    await memory.look();
    expect(memory.tooFull()).toMatch(/Redis is at (89|9\d) % of its maxmemory \(\d+ MB\): nothing more is fed/);
    await client.config("SET", "maxmemory", String(used * 2));
    await memory.look();
    expect(memory.tooFull()).toBeUndefined();
  });

  it("lets rows wait with that reason, while records pass", async () => {
    const { feed, owner, queues, troubles, setTooFull } = await givenBatch(server);
    await feed([0]);
    await owner.gate(0);
    setTooFull("full");
    const feeding = feed([1]);
    await until("the reason", () => troubles.at(-1) === "full");
    expect(await owner.record(0, 1, "{}")).toBe(true);
    expect(await queues.of("lab").getWaitingCount()).toBe(1);
    setTooFull(undefined);
    expect(await feeding).toEqual([1]);
    expect(troubles.at(-1)).toBeUndefined();
  });

  it("in the middle of a run, what is there is asked and recorded, the run says why it waits and then ends whole", async () => {
    const middle = await runInTheMiddle(50, 2_000);
    const { client } = middle.server;
    const used = Number(/^used_memory:(\d+)/m.exec(await client.info("memory"))?.[1]);
    await client.config("SET", "maxmemory", String(Math.round(used / 0.92)));
    await until("the reason", () => /% of its maxmemory/.test(middle.run.fleet.redisTrouble() ?? ""));
    const { payloads } = middle.run.fleet.names.batch(middle.run.batchId);
    await until("what is there to be answered", async () => (await client.hlen(payloads)) === 0);
    expect(middle.run.answered()).toBeLessThan(2_000);
    await client.config("SET", "maxmemory", "0");
    await finishWhole(middle);
    expect(middle.backend.requests()).toBe(2_000);
  }, 60_000);
});
