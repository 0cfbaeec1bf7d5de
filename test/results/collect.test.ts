import { describe, expect, it, onTestFinished } from "vitest";
import { connectRedis } from "../../src/queue/connection.ts";
import { createCollector } from "../../src/results/collect.ts";
import type { Recorded } from "../../src/results/segments.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();

/** A collector on a stream of its own that notes what it stores and trims. */
function givenCollector(hooks: { store?: (group: readonly Recorded[]) => Promise<void> } = {}) {
  const stream = `${server.newFleetName()}/results`;
  const blocking = connectRedis(server.address, "test");
  const stored: number[] = [];
  const events: string[] = [];
  const collector = createCollector({
    blocking,
    stream,
    async store(group) {
      await hooks.store?.(group);
      stored.push(...group.map(({ row }) => row));
      events.push("store");
    },
    async trim(firstToKeep) {
      events.push("trim");
      await server.client.xtrim(stream, "MINID", firstToKeep);
    },
  });
  onTestFinished(() => {
    collector.finish();
    blocking.disconnect();
  });
  return {
    collector,
    stored,
    events,
    record: (row: number, id = "*") => server.client.xadd(stream, id, row, `{"row":${row}}`),
    length: () => server.client.xlen(stream),
  };
}

describe("the collector", () => {
  it("stores what is in the stream, then drops it from Redis, and ends when it is told to and all is stored", async () => {
    const { collector, stored, events, record, length } = givenCollector();
    await record(2);
    await record(0);
    const running = collector.run();
    await until("the first results", () => stored.length === 2);
    await record(1);
    await until("the next result", () => stored.length === 3);
    await record(3);
    collector.finish();
    await running;
    expect(stored).toEqual([2, 0, 1, 3]);
    expect(await length()).toBe(0);
    expect(events.filter((_event, at) => at % 2 === 0).every((event) => event === "store")).toBe(true);
  });

  it("keeps in Redis what is not yet stored", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { collector, stored, events, record, length } = givenCollector({ store: () => held });
    await record(0);
    const running = collector.run();
    await record(1);
    expect([await length(), events]).toEqual([2, []]);
    release();
    await until("both to be stored", () => stored.length === 2);
    collector.finish();
    await running;
    expect(await length()).toBe(0);
  });

  it("begins again at the head when Redis came back as somebody else, whatever ids that gives", async () => {
    const { collector, stored, record } = givenCollector();
    await record(0, "9000000000000-0");
    const running = collector.run();
    await until("the first result", () => stored.length === 1);
    await server.client.flushall();
    await record(1, "5-0");
    collector.rewind();
    await until("a result with a lower id", () => stored.includes(1));
    collector.finish();
    await running;
  });

  it("drops nothing of a group that it was storing when Redis came back: its ids are of another stream", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const { collector, stored, events, record, length } = givenCollector({ store: () => held });
    await record(0, "9000000000000-0");
    const running = collector.run();
    await until("the group to be read", async () => (await server.client.client("LIST"))?.toString().includes("xread"));
    await server.client.flushall();
    await record(1, "5-0");
    collector.rewind();
    const before = await length();
    release();
    await until("the new stream's result", () => stored.includes(1));
    expect(before).toBe(1);
    expect(events.slice(0, 3)).toEqual(["store", "store", "trim"]);
    collector.finish();
    await running;
  });

  it("passes on what storing throws", async () => {
    const { collector, record } = givenCollector({ store: () => Promise.reject(new Error("no such disk")) });
    await record(0);
    await expect(collector.run()).rejects.toThrow("no such disk");
  });
});
