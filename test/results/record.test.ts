import { describe, expect, it } from "vitest";
import { batchId, givenBatch, payloadOf } from "../support/given-batch.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();

describe("recording a result", () => {
  it("appends it once, whoever comes second, and drops the row's payload", async () => {
    const { owner, join, feed, results, redis, keys } = await givenBatch(server);
    await feed([4]);
    const pool = await join("pool");
    await pool.gate(4);
    expect(await pool.record(4, 1, '{"by":"pool"}')).toBe(true);
    expect(await owner.record(4, 0, '{"by":"owner"}')).toBe(false);
    expect(await pool.record(4, 1, '{"by":"pool, again"}')).toBe(false);
    expect(await results()).toEqual([{ row: 4, line: '{"by":"pool"}' }]);
    expect(await redis.hexists(keys.payloads, "4")).toBe(0);
    expect(await redis.hexists(keys.moves, "4")).toBe(0);
  });

  it("takes one of many that come in the same turn", async () => {
    const { owner, feed, results } = await givenBatch(server);
    await feed([0]);
    const wins = await Promise.all(Array.from({ length: 50 }, (_, number) => owner.record(0, 0, `{"n":${number}}`)));
    expect(wins.filter((won) => won).length).toBe(1);
    expect(await results()).toEqual([{ row: 0, line: '{"n":0}' }]);
  });

  it("keeps the answer of an old generation out", async () => {
    const { owner, claim, results } = await givenBatch(server);
    await claim({ generation: 1 });
    expect(await owner.record(0, 0, '{"old":true}')).toBe(false);
    expect(await owner.record(0, 0, '{"new":true}', 1)).toBe(true);
    expect(await results()).toEqual([{ row: 0, line: '{"new":true}' }]);
  });

  it.each(["unknown", "ended"])("keeps an answer out whose batch is %s", async (end) => {
    const { owner, redis, keys, claims, results } = await givenBatch(server);
    if (end === "unknown") await redis.del(keys.batch);
    else await claims.setState(batchId, "open", "ended");
    expect(await owner.record(0, 0, "{}")).toBe(false);
    expect(await results()).toEqual([]);
  });

  it("takes the owner's end of a row while the batch is stopping", async () => {
    const { owner, claims, results } = await givenBatch(server);
    await claims.setState(batchId, "open", "stopping");
    expect(await owner.record(0, 0, '{"code":"cancelled"}')).toBe(true);
    expect((await results()).length).toBe(1);
  });
});

describe("an answer whose batch Redis has forgotten", () => {
  it("is kept until the owner has rebuilt the batch", async () => {
    const { owner, claim, redis, keys, results, expectRebuild, troubles } = await givenBatch(server);
    await redis.del(keys.batch);
    expectRebuild(true);
    const recorded = owner.record(0, 0, '{"kept":true}');
    await until("the answer to be held", () => troubles.length > 0);
    expect(troubles[0]).toMatch(/not rebuilt yet/);
    await claim();
    expect(await recorded).toBe(true);
    expect(await results()).toEqual([{ row: 0, line: '{"kept":true}' }]);
  });

  it("is let go when nobody rebuilds it in time", async () => {
    const { owner, redis, keys, expectRebuild, troubles } = await givenBatch(server);
    await redis.del(keys.batch);
    expectRebuild(true);
    const recorded = owner.record(0, 0, "{}");
    await until("the answer to be held", () => troubles.length > 0);
    expectRebuild(false);
    expect(await recorded).toBe(false);
  });
});

describe("settling a call", () => {
  it("frees the call of the loser too, and nobody else's", async () => {
    const { owner, join, feed, redis, keys } = await givenBatch(server);
    await feed([0, 1]);
    const pool = await join("pool");
    await pool.gate(0, { call: 1 });
    await pool.gate(1, { call: 2 });
    await owner.record(0, 0, "{}");
    expect(await redis.hgetall(keys.calls)).toEqual({ "0": "pool 1", "1": "pool 2" });
    expect(await pool.record(0, 1, "{}")).toBe(false);
    expect(await redis.hgetall(keys.calls)).toEqual({ "1": "pool 2" });
    expect(await pool.act(1, 99, { kind: "release", countsAttempt: false })).toBe(true);
    expect(await redis.hgetall(keys.calls)).toEqual({ "1": "pool 2" });
    expect(await redis.exists(keys.moves)).toBe(0);
  });

  it("frees the call even when its generation is old", async () => {
    const { join, feed, redis, keys } = await givenBatch(server);
    await feed([0]);
    const pool = await join("pool");
    await pool.gate(0);
    await redis.hset(keys.batch, "generation", "1");
    expect(await pool.record(0, 1, "{}")).toBe(false);
    expect(await redis.hlen(keys.calls)).toBe(0);
  });

  it("lets a released row be asked again, by whom it may", async () => {
    const { owner, join, feed } = await givenBatch(server);
    await feed([0]);
    const pool = await join("pool");
    await pool.gate(0);
    await pool.act(0, 1, { kind: "release", countsAttempt: false });
    expect(await owner.gate(0)).toEqual({
      kind: "admitted",
      attempts: 0,
      crashes: 0,
      position: 0,
      payload: payloadOf(0),
    });
  });

  it("counts an attempt only when it is told to", async () => {
    const { owner, feed } = await givenBatch(server);
    await feed([0]);
    for (const [call, countsAttempt] of [true, false, true].entries()) {
      await owner.gate(0, { call: call + 1 });
      await owner.act(0, call + 1, { kind: "release", countsAttempt });
    }
    expect(await owner.gate(0, { call: 9 })).toMatchObject({ kind: "admitted", attempts: 2 });
  });

  it.each([
    ["released", { kind: "release", countsAttempt: true, endUnknown: true }],
    ["moved to its next model", { kind: "move", fromHop: 0, toPosition: 1, endUnknown: true }],
  ] as const)("counts a call of which nobody saw the end as asked again when its row is %s", async (_how, action) => {
    const { owner, feed, claims } = await givenBatch(server);
    await feed([0]);
    await owner.gate(0);
    await owner.act(0, 1, { ...action, endUnknown: false });
    expect(await claims.readAskedAgain(batchId)).toBe(0);
    await owner.gate(0, { call: 2, hop: action.kind === "move" ? 1 : 0 });
    expect(await owner.act(0, 2, action.kind === "move" ? { ...action, fromHop: 1 } : action)).toBe(true);
    expect(await claims.readAskedAgain(batchId)).toBe(1);
  });

  it("counts it once when the gate has given the row away meanwhile, and not where nothing is asked any more", async () => {
    const { join, feed, claims, redis, names } = await givenBatch(server);
    await feed([0, 1]);
    const [silent, other] = [await join("silent"), await join("other")];
    await silent.gate(0);
    await redis.zrem(names.processes, "silent");
    await other.gate(0);
    const unknown = { kind: "release", countsAttempt: false, endUnknown: true } as const;
    await silent.act(0, 1, unknown);
    expect(await claims.readAskedAgain(batchId)).toBe(1);
    await other.gate(1, { call: 2 });
    await claims.setState(batchId, "open", "stopping");
    await other.act(1, 2, unknown);
    expect(await claims.readAskedAgain(batchId)).toBe(1);
  });

  it("does not release a row that has its result", async () => {
    const { owner, feed, redis, keys } = await givenBatch(server);
    await feed([0]);
    await owner.gate(0);
    await owner.record(0, 0, "{}");
    expect(await owner.act(0, 1, { kind: "release", countsAttempt: true })).toBe(false);
    expect(await redis.hexists(keys.moves, "0")).toBe(0);
    expect(await redis.hlen(keys.calls)).toBe(0);
  });
});

describe("moving a row to its next model", () => {
  it("counts its attempts there from none, and is done once for a hop", async () => {
    const { owner, join, feed, redis, keys } = await givenBatch(server);
    await feed([0]);
    await owner.gate(0);
    await owner.act(0, 1, { kind: "release", countsAttempt: true });
    const pool = await join("pool");
    expect(await owner.act(0, 2, { kind: "move", fromHop: 0, toPosition: 1 })).toBe(true);
    expect(await pool.act(0, 1, { kind: "move", fromHop: 0, toPosition: 1 })).toBe(false);
    expect(await redis.hget(keys.moves, "0")).toBe("1:0:1");
  });

  it("is not done to a row that has its result", async () => {
    const { owner, feed, redis, keys } = await givenBatch(server);
    await feed([0]);
    await owner.record(0, 0, "{}");
    expect(await owner.act(0, 1, { kind: "move", fromHop: 0, toPosition: 1 })).toBe(false);
    expect(await redis.hexists(keys.moves, "0")).toBe(0);
  });
});

describe("withdrawing a row that need not be asked any more", () => {
  const withdraw = { kind: "withdraw" } as const;

  it("leaves nothing of it, and no result", async () => {
    const { owner, feed, results, redis, keys } = await givenBatch(server);
    await feed([0, 1], { again: true });
    expect(await owner.act(0, 0, withdraw)).toBe(true);
    expect(await redis.hkeys(keys.payloads)).toEqual(["1"]);
    expect(await redis.hkeys(keys.moves)).toEqual(["1"]);
    expect(await owner.gate(0, { hop: 1 })).toEqual({ kind: "finished", why: "done" });
    expect(await owner.act(0, 0, withdraw)).toBe(false);
    expect(await results()).toEqual([]);
  });

  it("is not done to one in a call, whose answer is paid and counts", async () => {
    const { owner, join, feed, results } = await givenBatch(server);
    await feed([0]);
    const pool = await join("pool");
    await pool.gate(0);
    expect(await owner.act(0, 0, withdraw)).toBe(false);
    expect(await pool.record(0, 1, "{}")).toBe(true);
    expect((await results()).length).toBe(1);
  });
});
