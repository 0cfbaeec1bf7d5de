import { afterEach, describe, expect, it } from "vitest";
import { redisScript } from "../../src/queue/redis-script.ts";
import { givenBatch } from "../support/given-batch.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();

/** Below what is in use already: every command that may need memory is refused. */
const fill = () => server.client.config("SET", "maxmemory", "1mb");
const makeRoom = () => server.client.config("SET", "maxmemory", "0");

afterEach(() => makeRoom());

describe("a Redis that has no memory left", () => {
  it("still takes results, releases and moves, trims, beats and gives a batch a new owner", async () => {
    const { owner, feed, redis, keys, epoch, results, claim, troubles } = await givenBatch(server);
    await feed([0, 1, 2]);
    for (const row of [0, 1, 2]) await owner.gate(row, { call: row + 1 });
    await fill();
    await expect(redis.set("probe", "x")).rejects.toThrow("OOM");
    expect(await owner.record(0, 1, "{}")).toBe(true);
    expect(await owner.act(1, 2, { kind: "release", countsAttempt: true })).toBe(true);
    expect(await owner.act(2, 3, { kind: "move", fromHop: 0, toPosition: 1 })).toBe(true);
    expect((await results()).map(({ row }) => row)).toEqual([0]);
    const trim = redisScript(redis, new URL("../../src/results/trim.lua", import.meta.url), 2);
    expect(await trim([keys.batch, keys.results], [epoch, "99999999999999-0"])).toBe(1);
    expect(await results()).toEqual([]);
    await owner.membership.beat();
    expect((await claim()).epoch).toBe(epoch + 1);
    expect(troubles).toEqual([]);
  });

  it("takes no new rows, with the reason to be read, until there is room", async () => {
    const { feed, redis, keys, queues, troubles } = await givenBatch(server);
    await fill();
    const feeding = feed([0, 1]);
    await until("the rows to be refused", () => troubles.length > 0);
    expect(troubles[0]).toMatch(/^OOM/);
    expect(await redis.exists(keys.payloads)).toBe(0);
    await makeRoom();
    expect(await feeding).toEqual([0, 1]);
    expect(await queues.of("lab").getWaitingCount()).toBe(2);
    expect(troubles.at(-1)).toBeUndefined();
  });

  it("makes rows wait at the gate, with the reason to be read, until there is room", async () => {
    const { owner, feed, troubles } = await givenBatch(server);
    await feed([0]);
    await fill();
    const asked = owner.gate(0);
    await until("the gate to be refused", () => troubles.length > 0);
    expect(troubles[0]).toMatch(/^OOM/);
    await makeRoom();
    expect((await asked).kind).toBe("admitted");
    expect(troubles.at(-1)).toBeUndefined();
  });
});
