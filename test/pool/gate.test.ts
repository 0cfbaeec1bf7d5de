import { describe, expect, it } from "vitest";
import { batchId, givenBatch, payloadOf } from "../support/given-batch.ts";
import { withRedis } from "../support/redis-server.ts";

const server = withRedis();
const admitted = { kind: "admitted", attempts: 0, position: 0, crashes: 0 };

/** A process that was there and beats no more. */
async function declareDead(redis: typeof server.client, processes: string, id: string): Promise<void> {
  await redis.zadd(processes, 1, id);
}

describe("the gate", () => {
  it("admits a row that was fed, with its payload", async () => {
    const { owner, feed } = await givenBatch(server);
    await feed([3]);
    expect(await owner.gate(3)).toEqual({ ...admitted, payload: payloadOf(3) });
  });

  it("drops a row of a batch that nobody knows", async () => {
    const { owner, feed, redis, keys } = await givenBatch(server);
    await feed([0]);
    await redis.del(keys.batch);
    expect(await owner.gate(0)).toEqual({ kind: "finished", why: "drop" });
  });

  it("drops a row of a batch that has ended", async () => {
    const { owner, feed, claims } = await givenBatch(server);
    await feed([0]);
    await claims.setState(batchId, "open", "ended");
    expect(await owner.gate(0)).toEqual({ kind: "finished", why: "drop" });
  });

  it("drops a row whose owner is dead: nobody would collect the answer", async () => {
    const { owner, join, feed, redis, names } = await givenBatch(server);
    await feed([0]);
    const pool = await join("pool");
    await declareDead(redis, names.processes, owner.id);
    expect(await pool.gate(0)).toEqual({ kind: "finished", why: "drop" });
  });

  it("drops a row of an old generation", async () => {
    const { owner, feed } = await givenBatch(server);
    await feed([0]);
    expect(await owner.gate(0, { generation: 1 })).toEqual({ kind: "finished", why: "drop" });
  });

  it("passes nothing while this process knows another incarnation of Redis than the owner has rebuilt", async () => {
    const { join, feed } = await givenBatch(server);
    await feed([0]);
    const late = await join("late", "another incarnation");
    expect(await late.gate(0)).toEqual({ kind: "wait", why: "rebuilding", delayMs: 500 });
    const disconnected = await join("disconnected", "");
    expect(await disconnected.gate(0)).toMatchObject({ kind: "wait", why: "rebuilding" });
  });

  it("passes nothing right after a rebuild, so that answers which pools hold are recorded first", async () => {
    const { owner, feed, claim, redis, keys } = await givenBatch(server);
    await claim({ rebuild: true });
    await feed([0], { epoch: 2 });
    expect(await owner.gate(0)).toMatchObject({ kind: "wait", why: "rebuilding" });
    expect(await owner.record(1, 0, "{}")).toBe(true);
    await redis.hincrby(keys.batch, "rebuiltAt", -3);
    expect((await owner.gate(0)).kind).toBe("admitted");
  });

  it("passes rows at once when a batch is resumed by another process", async () => {
    const { owner, feed, claim } = await givenBatch(server);
    await claim({ rebuild: true });
    await claim();
    await feed([0], { epoch: 3 });
    expect((await owner.gate(0)).kind).toBe("admitted");
  });

  it("finishes a row that is recorded", async () => {
    const { owner, feed } = await givenBatch(server);
    await feed([0]);
    await owner.gate(0);
    await owner.record(0, 1, "{}");
    expect(await owner.gate(0, { call: 2 })).toEqual({ kind: "finished", why: "done" });
  });

  it("says that an older hop has moved, and where to", async () => {
    const { owner, feed } = await givenBatch(server);
    await feed([0]);
    await owner.gate(0);
    await owner.act(0, 1, { kind: "move", fromHop: 0, toPosition: 1 });
    expect(await owner.gate(0, { call: 2 })).toEqual({ kind: "moved", hop: 1, position: 1, payload: payloadOf(0) });
    expect(await owner.gate(0, { hop: 1, call: 3 })).toEqual({ ...admitted, position: 1, payload: payloadOf(0) });
  });

  it("sends a job of a later hop than Redis, rolled back, knows of to the one that it knows", async () => {
    const { owner, feed } = await givenBatch(server);
    await feed([0]);
    expect(await owner.gate(0, { hop: 2 })).toEqual({ kind: "moved", hop: 0, position: 0, payload: payloadOf(0) });
  });

  it("finishes a row without a payload, which the owner will feed again", async () => {
    const { owner } = await givenBatch(server);
    expect(await owner.gate(5)).toEqual({ kind: "finished", why: "missing" });
  });

  it("leaves the end of a row of a stopping batch to the owner", async () => {
    const { owner, feed, claims } = await givenBatch(server);
    await feed([0]);
    await claims.setState(batchId, "open", "stopping");
    expect(await owner.gate(0)).toEqual({ kind: "finished", why: "ended" });
  });

  it("makes a row wait that another living process has in a call, and lets the same call in again", async () => {
    const { owner, join, feed, claims } = await givenBatch(server);
    await feed([0]);
    const pool = await join("pool");
    expect((await pool.gate(0, { call: 7 })).kind).toBe("admitted");
    expect(await owner.gate(0)).toEqual({ kind: "wait", why: "held", delayMs: 1_000 });
    expect((await pool.gate(0, { call: 7 })).kind).toBe("admitted");
    expect(await claims.readAskedAgain(batchId)).toBe(0);
  });

  it("admits a row of which Redis, rolled back, knows a call of that very process again, and counts it", async () => {
    const { owner, join, feed, claims } = await givenBatch(server);
    await feed([0]);
    await owner.gate(0, { call: 1 });
    const other = await join("other");
    expect(await other.gate(0, { call: 1 })).toMatchObject({ kind: "wait", why: "held" });
    expect(await owner.gate(0, { call: 2 })).toMatchObject({ kind: "admitted", crashes: 0 });
    expect(await claims.readAskedAgain(batchId)).toBe(1);
  });

  it("admits one of two calls of a row that ask in the same turn", async () => {
    const { owner, feed } = await givenBatch(server);
    await feed([0, 1]);
    const verdicts = await Promise.all([
      owner.gate(0, { call: 1 }),
      owner.gate(1, { call: 2 }),
      owner.gate(0, { call: 3 }),
    ]);
    expect(verdicts.map(({ kind }) => kind)).toEqual(["admitted", "admitted", "wait"]);
  });

  it("admits a row again whose caller is dead, and counts that it is asked again", async () => {
    const { owner, join, feed, redis, names, claims } = await givenBatch(server);
    await feed([0, 1]);
    const pool = await join("pool");
    await pool.gate(0);
    await pool.act(0, 1, { kind: "release", countsAttempt: true });
    await pool.gate(0);
    await declareDead(redis, names.processes, pool.id);
    expect(await owner.gate(0)).toMatchObject({ kind: "admitted", attempts: 1 });
    await owner.act(0, 1, { kind: "release", countsAttempt: false });
    expect(await owner.gate(0, { call: 3 })).toMatchObject({ kind: "admitted", attempts: 1 });
    expect((await owner.gate(1, { call: 2 })).kind).toBe("admitted");
    expect(await claims.readAskedAgain(batchId)).toBe(1);
  });

  it("counts for each row how many processes died with it in a call, and feeding it again keeps the count", async () => {
    const { owner, join, feed, redis, names, keys } = await givenBatch(server);
    await feed([0, 1]);
    for (const [order, id] of ["a", "b"].entries()) {
      const pool = await join(id);
      expect(await pool.gate(0)).toMatchObject({ kind: "admitted", crashes: order });
      await declareDead(redis, names.processes, pool.id);
    }
    await feed([0], { again: true });
    expect(await owner.gate(0, { hop: 1 })).toMatchObject({ kind: "admitted", crashes: 2 });
    await owner.act(0, 1, { kind: "release", countsAttempt: true });
    expect(await owner.gate(0, { hop: 1, call: 2 })).toMatchObject({ kind: "admitted", attempts: 1, crashes: 2 });
    await owner.act(0, 2, { kind: "move", fromHop: 1, toPosition: 1 });
    expect(await owner.gate(0, { hop: 2, call: 3 })).toMatchObject({ kind: "admitted", position: 1, crashes: 2 });
    expect(await owner.gate(1, { call: 4 })).toMatchObject({ kind: "admitted", crashes: 0 });
    await owner.record(0, 3, "{}");
    expect(await redis.hexists(keys.moves, "0")).toBe(0);
  });

  it("suspects a row no more whose process was only silent: its call has ended after all", async () => {
    const { owner, join, feed, redis, names } = await givenBatch(server);
    await feed([0]);
    const frozen = await join("frozen");
    await frozen.gate(0);
    await declareDead(redis, names.processes, frozen.id);
    expect(await owner.gate(0)).toMatchObject({ crashes: 1 });
    await frozen.act(0, 1, { kind: "release", countsAttempt: false });
    await owner.act(0, 1, { kind: "release", countsAttempt: false });
    expect(await owner.gate(0, { call: 2 })).toMatchObject({ kind: "admitted", crashes: 0 });
  });

  it("answers many rows in one round trip, each with its own verdict", async () => {
    const { owner, feed, redis, keys } = await givenBatch(server);
    const rows = Array.from({ length: 600 }, (_, row) => row);
    await feed(rows);
    await redis.setbit(keys.done, 300, 1);
    await redis.hdel(keys.payloads, "301");
    const verdicts = await Promise.all(rows.map((row) => owner.gate(row, { call: row + 1 })));
    expect(verdicts.filter(({ kind }) => kind === "admitted").length).toBe(598);
    expect(verdicts[300]).toEqual({ kind: "finished", why: "done" });
    expect(verdicts[301]).toEqual({ kind: "finished", why: "missing" });
    expect(verdicts[599]).toEqual({ ...admitted, payload: payloadOf(599) });
  });
});

describe("the order of the gate's answers", () => {
  /** Each breaks one more of the gate's conditions, from the last that it looks at to the first. */
  it("is PROTOCOL's: each later reason gives way to every earlier one", async () => {
    const { owner, join, feed, redis, keys, claims } = await givenBatch(server);
    const ask = (generation = 0) => owner.gate(0, { generation, call: 9 });
    await feed([0]);
    const pool = await join("pool");
    await pool.gate(0, { call: 1 });
    expect(await ask()).toMatchObject({ why: "held" });
    await claims.setState(batchId, "open", "stopping");
    expect(await ask()).toMatchObject({ why: "ended" });
    await redis.hset(keys.moves, "0", "1:0:1");
    expect(await ask()).toMatchObject({ kind: "moved" });
    await redis.hdel(keys.payloads, "0");
    expect(await ask()).toMatchObject({ why: "missing" });
    await redis.setbit(keys.done, 0, 1);
    expect(await ask()).toMatchObject({ why: "done" });
    await redis.hset(keys.batch, "incarnation", "another");
    expect(await ask()).toMatchObject({ why: "rebuilding" });
    expect(await ask(1)).toMatchObject({ why: "drop" });
  });
});
