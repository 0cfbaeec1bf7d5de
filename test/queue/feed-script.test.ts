import { describe, expect, it } from "vitest";
import { findLostRows } from "../../src/queue/find-lost.ts";
import { jobIdOf } from "../../src/queue/names.ts";
import { createPlaceRows, OwnershipLost } from "../../src/queue/place-rows.ts";
import { batchId, type GivenBatch, givenBatch, payloadOf } from "../support/given-batch.ts";
import { withRedis } from "../support/redis-server.ts";

const server = withRedis();

async function jobIds({ queues }: GivenBatch, tier: string): Promise<(string | undefined)[]> {
  return (await queues.of(tier).getWaiting()).map(({ id }) => id).sort();
}

describe("feeding rows", () => {
  it("puts the payload beside the queue and labels only into the job", async () => {
    const batch = await givenBatch(server);
    await batch.feed([2]);
    expect(await batch.redis.hgetall(batch.keys.payloads)).toEqual({ "2": payloadOf(2) });
    const [job] = await batch.queues.of("lab").getWaiting();
    expect(job?.id).toBe(jobIdOf(batchId, 2, 0, 0));
    expect(job?.data).toEqual({ batch: batchId, row: 2, generation: 0, hop: 0, task: "simple", model: "small" });
  });

  it("is done once when it is asked for twice", async () => {
    const batch = await givenBatch(server);
    await batch.feed([2]);
    await batch.feed([2]);
    expect(await jobIds(batch, "lab")).toEqual([jobIdOf(batchId, 2, 0, 0)]);
  });

  it("leaves a row out that is recorded already", async () => {
    const batch = await givenBatch(server);
    await batch.owner.record(1, 0, "{}");
    expect(await batch.feed([0, 1, 2])).toEqual([0, undefined, 2]);
    expect(await jobIds(batch, "lab")).toEqual([jobIdOf(batchId, 0, 0, 0), jobIdOf(batchId, 2, 0, 0)]);
    expect(await batch.redis.hexists(batch.keys.payloads, "1")).toBe(0);
  });

  it("gives a row that is fed again a new hop and so a new job, and keeps its attempts and its model", async () => {
    const batch = await givenBatch(server);
    await batch.feed([0, 1]);
    await batch.owner.gate(1);
    await batch.owner.act(1, 1, { kind: "move", fromHop: 0, toPosition: 1 });
    await batch.redis.hset(batch.keys.moves, "0", "0:3:0");
    await batch.feed([0, 1], { again: true });
    expect(await batch.redis.hgetall(batch.keys.moves)).toEqual({ "0": "1:3:0", "1": "2:0:1" });
    expect(await jobIds(batch, "lab")).toContain(jobIdOf(batchId, 0, 0, 1));
    expect(await jobIds(batch, "cloud")).toEqual([jobIdOf(batchId, 1, 0, 2)]);
    const [moved] = await batch.queues.of("cloud").getWaiting();
    expect(moved?.data).toMatchObject({ row: 1, hop: 2, model: "large" });
  });

  it("puts rows of a model into jobs together, also where two models take turns in the input", async () => {
    const { redis, names, queues, epoch } = await givenBatch(server);
    const place = createPlaceRows(
      redis,
      names,
      queues,
      () => undefined,
      () => {},
    );
    const rows = [0, 1, 2, 3, 4, 5].map((row) => ({
      ...{ row, task: null, route: [row % 2 === 0 ? "small" : "other"], tiers: ["lab"] },
      ...{ payload: payloadOf(row), again: false },
    }));
    const named = await place({ batchId, generation: 0, epoch }, rows, () => 2);
    expect(named).toEqual([0, 1, 0, 1, 4, 5]);
    const together = (await queues.of("lab").getWaiting()).map(({ data }) => [data.model, data.rows ?? data.row]);
    expect(together).toEqual(
      expect.arrayContaining([
        ["small", [0, 2]],
        ["other", [1, 3]],
        ["small", 4],
        ["other", 5],
      ]),
    );
    expect(together).toHaveLength(4);
  });

  it("is refused to an owner that was replaced, and changes nothing", async () => {
    const batch = await givenBatch(server);
    await batch.claim({ processId: "next owner" });
    await expect(batch.feed([0])).rejects.toThrow(OwnershipLost);
    expect(await batch.redis.hlen(batch.keys.payloads)).toBe(0);
    expect(await jobIds(batch, "lab")).toEqual([]);
  });
});

describe("the search for lost rows", () => {
  it("finds rows whose job was removed by hand or has finished without a result, and no others", async () => {
    const batch = await givenBatch(server);
    await batch.feed([0, 1, 2, 3, 4]);
    await batch.redis.hset(batch.keys.moves, "3", "1:0:1");
    await batch.redis.hset(batch.keys.moves, "4", "1:0:0");
    const queue = batch.queues.of("lab");
    await queue.remove(jobIdOf(batchId, 1, 0, 0));
    await batch.redis.hset(queue.toKey(jobIdOf(batchId, 2, 0, 0)), "finishedOn", "1");
    await queue.add("again", {}, { jobId: jobIdOf(batchId, 4, 0, 1) });
    const rows = new Map([0, 1, 2, 3, 4].map((row) => [row, { tiers: ["lab", "cloud"], jobRow: row }]));
    const place = { batchId, generation: 0, epoch: batch.epoch };
    expect(await findLostRows(batch.redis, batch.names, batch.queues, place, rows)).toEqual([1, 2, 3]);
  });
});
