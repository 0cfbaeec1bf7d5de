import { describe, expect, it } from "vitest";
import { createRowTable } from "../../src/job/row-table.ts";
import { redisScript } from "../../src/queue/redis-script.ts";
import { batchId, givenBatch } from "../support/given-batch.ts";
import { assertNothingLeft } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";

const server = withRedis();
const trimLua = new URL("../../src/results/trim.lua", import.meta.url);

describe("claiming a batch", () => {
  it("gives each owner a higher epoch, and one above any that left a segment", async () => {
    const { claim, epoch, redis, keys } = await givenBatch(server);
    expect(epoch).toBe(1);
    expect((await claim({ processId: "second" })).epoch).toBe(2);
    expect((await claim({ processId: "third", lowestEpoch: 9 })).epoch).toBe(9);
    expect((await claim({ processId: "fourth", lowestEpoch: 2 })).epoch).toBe(10);
    expect(await redis.hget(keys.batch, "owner")).toBe("fourth");
  });

  it("lets several that claim at once have different epochs", async () => {
    const { claim } = await givenBatch(server);
    const claimed = await Promise.all(Array.from({ length: 20 }, (_, n) => claim({ processId: `p${n}` })));
    expect(new Set(claimed.map(({ epoch }) => epoch)).size).toBe(20);
  });

  it("marks the rows that are on disk as done, beside those that were recorded", async () => {
    const { claim, owner, feed, redis, keys } = await givenBatch(server);
    await feed([0, 70_000]);
    await owner.record(9, 0, "{}");
    const table = createRowTable();
    table.store(0, 0, 0);
    table.store(17, 0, 0);
    await claim({ storedBitmap: table.storedBitmap() });
    const bits = await Promise.all([0, 1, 9, 16, 17, 18, 70_000].map((row) => redis.getbit(keys.done, row)));
    expect(bits).toEqual([1, 0, 1, 0, 1, 0, 0]);
    expect((await owner.gate(0)).kind).toBe("finished");
    expect((await owner.gate(70_000)).kind).toBe("admitted");
  });

  it("forgets that a row was done whose result is neither on disk nor on its way there", async () => {
    const { claim, owner, feed, redis, keys } = await givenBatch(server);
    await feed([4]);
    for (const row of [4, 5]) await owner.record(row, 0, "{}");
    const [, [lastId]] = (await redis.xrange(keys.results, "-", "+")) as [unknown, [string, unknown]];
    await redis.xtrim(keys.results, "MINID", lastId);
    await claim();
    expect(await Promise.all([4, 5].map((row) => redis.getbit(keys.done, row)))).toEqual([0, 1]);
  });

  it("finds all of very many results that are on their way to disk", async () => {
    const { claim, owner, redis, keys } = await givenBatch(server);
    await Promise.all(Array.from({ length: 1_234 }, (_, row) => owner.record(row, 0, "{}")));
    await claim();
    expect(await redis.bitcount(keys.done)).toBe(1_234);
  });

  it("names the rows that the owner before it may have placed", async () => {
    const { claim, feed, owner } = await givenBatch(server);
    await feed([1, 2, 30]);
    await owner.record(2, 0, "{}");
    expect([...(await claim()).placedBefore].sort((one, other) => one - other)).toEqual([1, 30]);
  });

  it("drops all that an old generation left, so that nothing of it is taken for the new one", async () => {
    const { claim, feed, owner, results, redis, keys } = await givenBatch(server);
    await feed([0, 1]);
    await owner.gate(1);
    await owner.record(0, 0, "{}");
    const claimed = await claim({ generation: 1 });
    expect([...claimed.placedBefore]).toEqual([]);
    expect(await results()).toEqual([]);
    expect(await redis.exists(keys.done, keys.payloads, keys.moves, keys.calls)).toBe(0);
  });

  it("keeps answers on their way to disk when only failed rows are asked again", async () => {
    const { claim, owner, results, redis, keys } = await givenBatch(server);
    await owner.record(0, 0, '{"status":"answered","text":"a \\"status\\":\\"failed\\""}');
    await owner.record(1, 0, '{"status":"failed"}');
    await owner.record(2, 0, "no JSON");
    await claim({ generation: 1, keepAnswered: true });
    expect((await results()).map(({ row }) => row)).toEqual([0]);
    expect(await Promise.all([0, 1, 2].map((row) => redis.getbit(keys.done, row)))).toEqual([1, 0, 0]);
  });

  it("keeps what the same generation has when it is resumed", async () => {
    const { claim, feed, owner, results, redis, keys } = await givenBatch(server);
    await feed([0, 1]);
    await owner.record(0, 0, "{}");
    await claim();
    expect((await results()).length).toBe(1);
    expect(await redis.getbit(keys.done, 0)).toBe(1);
    expect(await redis.hexists(keys.payloads, "1")).toBe(1);
  });

  it("takes back the time to live of a batch that is begun again", async () => {
    const { claim, claims, redis, keys } = await givenBatch(server);
    await claims.forget(batchId);
    expect(await redis.ttl(keys.batch)).toBeGreaterThan(0);
    await claim();
    expect(await redis.ttl(keys.batch)).toBe(-1);
  });
});

describe("forgetting a batch", () => {
  it("leaves nothing of it but a note for jobs that are still on their way, which expires", async () => {
    const { claims, feed, owner, queues, redis, fleet, names } = await givenBatch(server);
    await feed([0]);
    await owner.gate(0);
    await owner.record(0, 1, "{}");
    await queues.of("lab").drain();
    await claims.setState(batchId, "open", "ended");
    await claims.forget(batchId);
    expect(await owner.gate(0, { call: 2 })).toEqual({ kind: "finished", why: "drop" });
    await owner.membership.leave();
    await redis.del(names.tierDefinitions);
    await assertNothingLeft(redis, fleet);
  });
});

describe("trimming the results", () => {
  it("drops what is on disk and keeps the rest", async () => {
    const { redis, keys, owner, epoch, results } = await givenBatch(server);
    for (const row of [0, 1, 2]) await owner.record(row, 0, "{}");
    const ids = ((await redis.xrange(keys.results, "-", "+")) as [string, unknown][]).map(([id]) => id);
    const trim = redisScript(redis, trimLua, 2);
    expect(await trim([keys.batch, keys.results], [epoch, ids[2]!])).toBe(1);
    expect((await results()).map(({ row }) => row)).toEqual([2]);
  });

  it("is refused to an owner that was replaced, whose successor still needs the results", async () => {
    const { redis, keys, owner, epoch, claim, results } = await givenBatch(server);
    await owner.record(0, 0, "{}");
    await claim({ processId: "next owner" });
    const trim = redisScript(redis, trimLua, 2);
    expect(await trim([keys.batch, keys.results], [epoch, "99999999999999-0"])).toBe(0);
    expect((await results()).length).toBe(1);
  });
});
