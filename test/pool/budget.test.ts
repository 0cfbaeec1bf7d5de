import { describe, expect, it } from "vitest";
import { type GivenBatch, type GivenProcess, givenBatch } from "../support/given-batch.ts";
import { feedWeighed, question, settlementOf } from "../support/given-pace.ts";
import { withRedis } from "../support/redis-server.ts";

const server = withRedis();

/** Billionths of a dollar for a token of input and of output. */
const [inputPrice, outputPrice] = [1_000, 2_000];
/** Of each row of `rowsOf`: 100 tokens of input at most, 50 of output. */
const bound = 100 * inputPrice + 50 * outputPrice;

async function rowsOf(batch: GivenBatch, count: number, budgetNano: number | undefined): Promise<void> {
  await feedWeighed(batch, Array(count).fill([10, 50]), 100);
  if (budgetNano === undefined) return;
  await batch.redis.hset(batch.keys.batch, "hasBudget", "1");
  await batch.redis.hset(batch.keys.spend, "budget", budgetNano);
}

const terms = (change: { perDay?: number | ""; prices?: readonly (string | number)[]; hasBudget?: boolean } = {}) => {
  const { perDay = "", prices = [inputPrice, outputPrice], hasBudget = true } = change;
  return { ...question({}), budget: [hasBudget ? "1" : "0", perDay, ...prices, 100] };
};
const ask = (process: GivenProcess, row: number, how = terms()) => process.gate(row, { call: row + 1, pace: how });
const settle = (process: GivenProcess, row: number, costUsd: number | undefined) =>
  process.act(row, row + 1, { kind: "record", line: "{}" }, 0, settlementOf({}, { costUsd }));
const spendOf = async ({ redis, keys }: GivenBatch) => {
  const [spent, reserved, unconfirmed, exhausted] = await redis.hmget(
    keys.spend,
    ...["spent", "reserved", "unconfirmed", "exhausted"],
  );
  return { spent: Number(spent), reserved: Number(reserved), unconfirmed: Number(unconfirmed), exhausted };
};

describe("the budget of a batch", () => {
  it("reserves what a call can cost at most, and frees what it has not cost", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 1, 10 * bound);
    expect((await ask(batch.owner, 0)).kind).toBe("admitted");
    expect(await spendOf(batch)).toMatchObject({ spent: 0, reserved: bound });
    await settle(batch.owner, 0, 30_000 / 1e9);
    await settle(batch.owner, 0, 30_000 / 1e9);
    expect(await spendOf(batch)).toMatchObject({ spent: 30_000, reserved: 0 });
  });

  it("lets rows wait while the rest is reserved, and is exhausted only when nothing is", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 3, 1.5 * bound);
    expect((await ask(batch.owner, 0)).kind).toBe("admitted");
    expect(await ask(batch.owner, 1)).toMatchObject({ kind: "paced", reason: "budget-reserved" });
    expect((await spendOf(batch)).exhausted).toBeNull();
    await settle(batch.owner, 0, (0.4 * bound) / 1e9);
    expect((await ask(batch.owner, 1)).kind).toBe("admitted");
    await settle(batch.owner, 1, bound / 1e9);
    expect(await ask(batch.owner, 2)).toMatchObject({ kind: "paced", reason: "budget-spent" });
    expect((await spendOf(batch)).exhausted).toBe("1");
  });

  it("counts a call whose process died in full, as unconfirmed", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 2, 1.5 * bound);
    const pool = await batch.join("pool");
    expect((await ask(pool, 0)).kind).toBe("admitted");
    await batch.redis.zadd(batch.names.processes, 1, "pool");
    expect(await ask(batch.owner, 1)).toMatchObject({ kind: "paced", reason: "budget-spent" });
    expect(await spendOf(batch)).toMatchObject({ spent: bound, reserved: 0, unconfirmed: bound });
  });

  it("of exactly what a call can cost lets it go, and of what came in one question only as many as fit", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 4, 2 * bound);
    const verdicts = await Promise.all([0, 1, 2, 3].map((row) => ask(batch.owner, row)));
    expect(verdicts.map(({ kind }) => kind)).toEqual(["admitted", "admitted", "paced", "paced"]);
    expect(verdicts[3]).toMatchObject({ reason: "budget-reserved" });
    expect(await spendOf(batch)).toMatchObject({ reserved: 2 * bound, exhausted: null });
  });

  it("is reserved for a second call where an answer may have to be mended, and by the model where a row allows any length", async () => {
    const batch = await givenBatch(server);
    const payloads = ['{"weight":[10,50,100,2]}', '{"weight":[10,0,100,1]}', '{"messages":[]}'];
    await rowsOf(batch, 3, 1e12);
    await batch.redis.hset(batch.keys.payloads, Object.fromEntries(payloads.entries()));
    const reservedBy = async (row: number) => {
      const before = (await spendOf(batch)).reserved;
      expect((await ask(batch.owner, row)).kind).toBe("admitted");
      return (await spendOf(batch)).reserved - before;
    };
    // The second call is shown the first one's answer.
    expect(await reservedBy(0)).toBe(2 * bound + 50 * inputPrice);
    expect(await reservedBy(1)).toBe(100 * inputPrice + 100 * outputPrice);
    // Whoever fed it knew of no budget: three tokens for each of its bytes, and a second call.
    const input = 3 * payloads[2]!.length;
    expect(await reservedBy(2)).toBe(2 * (input * inputPrice + 100 * outputPrice) + 100 * inputPrice);
  });

  it("counts a call in full of which nobody knows what it has cost", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 1, 2 * bound);
    await ask(batch.owner, 0);
    await settle(batch.owner, 0, undefined);
    expect(await spendOf(batch)).toMatchObject({ spent: bound, reserved: 0, unconfirmed: bound });
  });

  it("also pays for the answer of a loser: what it has cost is spent, whoever recorded first", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 1, 10 * bound);
    await ask(batch.owner, 0);
    await batch.redis.setbit(batch.keys.done, 0, 1);
    expect(await settle(batch.owner, 0, 5_000 / 1e9)).toBe(false);
    expect(await spendOf(batch)).toMatchObject({ spent: 5_000, reserved: 0 });
  });

  it("of 0 lets free models answer, and no other", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 2, 0);
    expect((await ask(batch.owner, 0, terms({ prices: [0, 0] }))).kind).toBe("admitted");
    expect(await ask(batch.owner, 1)).toMatchObject({ kind: "paced", reason: "budget-spent" });
  });

  it("lets nothing pass that has no price, nor a process that has not heard of it", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 2, 10 * bound);
    expect(await ask(batch.owner, 0, terms({ prices: ["", ""] }))).toMatchObject({ reason: "unpriced" });
    expect(await batch.owner.gate(1, { call: 2 })).toMatchObject({ kind: "wait", why: "rebuilding" });
  });

  it("is not passed when Redis has forgotten it", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 1, 10 * bound);
    await batch.redis.del(batch.keys.spend);
    expect(await ask(batch.owner, 0)).toMatchObject({ kind: "paced", reason: "budget-unknown" });
  });
});

describe("the budget of a tier for a day", () => {
  const today = () => Math.floor(Date.now() / 86_400_000);
  const perDay = 1.5 * bound;
  const how = () => terms({ perDay, hasBudget: false });

  it("waits until somebody knows what was spent today", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 1, undefined);
    expect(await ask(batch.owner, 0, how())).toMatchObject({ kind: "paced", reason: "day-unknown" });
    await batch.redis.hset(batch.names.spend("lab"), `${today()}:spent`, 0);
    expect((await ask(batch.owner, 0, how())).kind).toBe("admitted");
  });

  it("also counts a call in full whose process died, so that it is neither reserved nor free for ever", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 2, undefined);
    await batch.redis.hset(batch.names.spend("lab"), `${today()}:spent`, 0);
    expect((await ask(await batch.join("pool"), 0, how())).kind).toBe("admitted");
    await batch.redis.zadd(batch.names.processes, 1, "pool");
    expect(await ask(batch.owner, 1, how())).toMatchObject({ reason: "day-spent" });
    const sums = await batch.redis.hmget(batch.names.spend("lab"), `${today()}:spent`, `${today()}:reserved`);
    expect(sums).toEqual([String(bound), "0"]);
  });

  it("lets as many rows of one question go as fit, and the others ask again at midnight or in ten minutes", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 3, undefined);
    await batch.redis.hset(batch.names.spend("lab"), `${today()}:spent`, 0);
    const verdicts = await Promise.all([0, 1, 2].map((row) => ask(batch.owner, row, how())));
    expect(verdicts.map(({ kind }) => kind)).toEqual(["admitted", "paced", "paced"]);
    expect(verdicts[2]).toMatchObject({ reason: "day-reserved" });
    await settle(batch.owner, 0, undefined);
    const spent = (await ask(batch.owner, 1, how())) as { reason: string; delayMs: number };
    expect(spent.reason).toBe("day-spent");
    const untilMidnightMs = 86_400_000 - (Date.now() % 86_400_000);
    expect(spent.delayMs).toBeLessThanOrEqual(Math.min(600_000, untilMidnightMs + 2_000));
  });

  it("is too small for a call that may cost more than all of it: that is said, as no day will let it go", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 1, undefined);
    await batch.redis.hset(batch.names.spend("lab"), `${today()}:spent`, 0);
    const small = terms({ perDay: bound - 1, hasBudget: false });
    expect(await ask(batch.owner, 0, small)).toMatchObject({ kind: "paced", reason: "day-small" });
    expect((await ask(batch.owner, 0, terms({ perDay: bound, hasBudget: false }))).kind).toBe("admitted");
  });

  it("settles a call of a day that Redis has forgotten without a sum that nobody could believe", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 1, undefined);
    await batch.redis.hset(batch.names.spend("lab"), `${today()}:spent`, 0);
    await ask(batch.owner, 0, how());
    await batch.redis.del(batch.names.spend("lab"));
    await settle(batch.owner, 0, 5_000 / 1e9);
    expect(await batch.redis.exists(batch.names.spend("lab"))).toBe(0);
  });

  it("is shared by batches and settled like that of a batch", async () => {
    const batch = await givenBatch(server);
    await rowsOf(batch, 3, undefined);
    await batch.redis.hset(batch.names.spend("lab"), `${today()}:spent`, 0);
    expect((await ask(batch.owner, 0, how())).kind).toBe("admitted");
    expect(await ask(batch.owner, 1, how())).toMatchObject({ reason: "day-reserved" });
    await settle(batch.owner, 0, (0.5 * bound) / 1e9);
    expect((await ask(batch.owner, 1, how())).kind).toBe("admitted");
    await settle(batch.owner, 1, undefined);
    expect(await ask(batch.owner, 2, how())).toMatchObject({ reason: "day-spent" });
    expect(await batch.redis.hget(batch.names.spend("lab"), `${today()}:spent`)).toBe(String(1.5 * bound));
  });
});
