import { describe, expect, it } from "vitest";
import { horizonMs, type QuotaNews } from "../../src/pool/pace.ts";
import { createQuotaReporter } from "../../src/pool/report-quota.ts";
import { type GivenBatch, givenBatch } from "../support/given-batch.ts";
import { chargeOf, feedWeighed, fillBuckets, question, settlementOf } from "../support/given-pace.ts";
import { withRedis } from "../support/redis-server.ts";

const server = withRedis();

describe("the pace", () => {
  it("lets a hundredth of a minute's requests start at once and spreads the rest evenly", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, Array(60).fill([1, 1]));
    await fillBuckets(batch);
    const pace = question({ rpm: 3_000 });
    const verdicts = await Promise.all(
      Array.from({ length: 60 }, (_, row) => batch.owner.gate(row, { call: row + 1, pace })),
    );
    const delays = verdicts.flatMap((verdict) => (verdict.kind === "admitted" ? [verdict.charge!.delayMs] : []));
    expect(delays.filter((delayMs) => delayMs <= 1).length).toBe(30);
    expect(delays[41]! - delays[29]!).toBeGreaterThan(235);
    expect(delays.at(-1)).toBeLessThanOrEqual(horizonMs / 2 + 21);
    expect(verdicts.at(-1)?.kind).toBe("paced");
  });

  it("sends those beyond the horizon away for as long as those before them in line need", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, Array(10).fill([1, 1]));
    const pace = question({ rpm: 60 });
    const verdicts = await Promise.all(
      Array.from({ length: 10 }, (_, row) => batch.owner.gate(row, { call: row + 1, pace })),
    );
    const waits = verdicts.flatMap((verdict) => (verdict.kind === "paced" ? [verdict.delayMs] : []));
    expect(waits.length).toBeGreaterThanOrEqual(8);
    for (const [at, delayMs] of waits.slice(1).entries()) expect(delayMs - waits[at]!).toBeCloseTo(1_000, -1);
    expect(verdicts[9]).toMatchObject({ kind: "paced", isPause: false, reason: "requests" });
  });

  it("takes what Redis does not know for an empty bucket", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, [[1, 1]]);
    const verdict = await batch.owner.gate(0, { pace: question({ rpm: 480 }) });
    expect(chargeOf(verdict).delayMs).toBeGreaterThan(120);
  });

  it("does not believe a time that lies too far ahead, as when a clock was set back", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, [[1, 1]]);
    await batch.redis.hset(batch.names.pace("lab"), { requests: 1e15, line: 1e15 });
    const verdict = await batch.owner.gate(0, { pace: question({ rpm: 600 }) });
    expect(verdict).toMatchObject({ kind: "paced" });
    expect((verdict as { delayMs: number }).delayMs).toBeLessThan(21 * 60_000);
    await batch.redis.hdel(batch.names.pace("lab"), "line");
    const again = await batch.owner.gate(0, { pace: question({ rpm: 600 }) });
    expect((again as { delayMs: number }).delayMs).toBeLessThan(121_000);
  });

  it("charges the output that a row allows where the provider does, else what is expected", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, [
      [50, 70],
      [50, 0],
      [50, 70],
      [50, 5],
    ]);
    await fillBuckets(batch);
    const ask = async (row: number, rule: "most" | "real") => {
      const pace = question({ tpm: 1e6 }, { rule });
      const { inputTokens, outputTokens } = chargeOf(await batch.owner.gate(row, { call: row + 1, pace }));
      return [inputTokens, outputTokens];
    };
    expect(await ask(0, "most")).toEqual([50, 70]);
    expect(await ask(1, "most")).toEqual([50, 100]);
    expect(await ask(2, "real")).toEqual([50, 10]);
    expect(await ask(3, "real")).toEqual([50, 5]);
  });

  it("lets a row that is larger than the bucket go alone once it is full, and those after it wait the longer", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, [
      [2_000, 1],
      [1, 1],
    ]);
    await fillBuckets(batch);
    const pace = question({ tpm: 60_000 });
    expect(chargeOf(await batch.owner.gate(0, { pace })).delayMs).toBe(0);
    const next = await batch.owner.gate(1, { call: 2, pace });
    expect(next).toMatchObject({ kind: "paced", reason: "tokens" });
    expect((next as { delayMs: number }).delayMs).toBeGreaterThan(800);
  });

  it("lets even a row that is larger than a whole minute's limit start, and pauses others for a bounded time", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, [
      [1e9, 1],
      [1, 1],
    ]);
    await fillBuckets(batch);
    const pace = question({ tpm: 1_000 });
    expect(chargeOf(await batch.owner.gate(0, { pace })).delayMs).toBe(0);
    const next = await batch.owner.gate(1, { call: 2, pace });
    expect((next as { delayMs: number }).delayMs).toBeLessThan(121_000);
  });

  it("holds up no other scope", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, [
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
    await fillBuckets(batch, "lab/other");
    const slow = question({ rpm: 1 });
    expect((await batch.owner.gate(0, { call: 1, pace: slow })).kind).toBe("paced");
    const other = question({ rpm: 600 }, { scope: "lab/other", alias: "large" });
    expect(chargeOf(await batch.owner.gate(1, { call: 2, pace: other })).delayMs).toBe(0);
    expect((await batch.owner.gate(2, { call: 3 })).kind).toBe("admitted");
  });

  it("gives back what was charged too much, once a call, whoever was first to record", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, [[600, 0]]);
    await fillBuckets(batch);
    const { msEach } = chargeOf(await batch.owner.gate(0, { pace: question({ tpm: 60_000 }) }));
    const readAt = async () => Number(await batch.redis.hget(batch.names.pace("lab"), "tokens"));
    const before = await readAt();
    await batch.redis.setbit(batch.keys.done, 0, 1);
    const correction = settlementOf({ tokens: -500 * msEach.tokens });
    const settle = () => batch.owner.act(0, 1, { kind: "record", line: "{}" }, 0, correction);
    expect(await settle()).toBe(false);
    await settle();
    expect(before - (await readAt())).toBeCloseTo(505, 0);
  });

  it("gives it back also when the row is asked anew, as of another generation", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, [[600, 0]]);
    await fillBuckets(batch);
    await batch.owner.gate(0, { pace: question({ tpm: 60_000 }) });
    const readAt = async () => Number(await batch.redis.hget(batch.names.pace("lab"), "tokens"));
    const before = await readAt();
    await batch.redis.hset(batch.keys.batch, "generation", "1");
    expect(await batch.owner.act(0, 1, { kind: "record", line: "{}" }, 0, settlementOf({ tokens: -100 }))).toBe(false);
    expect(before - (await readAt())).toBeCloseTo(100, 0);
  });

  it("lets one that has stood in line start from as far ahead as the horizon, one that comes from half of that", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, [
      [1, 1],
      [1, 1],
    ]);
    const ask = async (row: number, stood: boolean) => {
      const [seconds, micros] = await batch.redis.time();
      const requests = Number(seconds) * 1_000 + Number(micros) / 1_000 + horizonMs * 0.95;
      await batch.redis.hset(batch.names.pace("lab"), { requests, line: 0 });
      return batch.owner.gate(row, { call: row + 1, pace: question({ rpm: 60 }, { stood }) });
    };
    expect((await ask(0, false)).kind).toBe("paced");
    expect((await ask(1, true)).kind).toBe("admitted");
  });

  it("corrects nothing that Redis has forgotten", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, [[600, 0]]);
    await batch.owner.gate(0, { pace: question({ tpm: 600_000 }) });
    await batch.redis.del(batch.names.pace("lab"));
    await batch.owner.act(0, 1, { kind: "record", line: "{}" }, 0, settlementOf({ tokens: -1e6 }));
    expect(await batch.redis.exists(batch.names.pace("lab"))).toBe(0);
  });
});

describe("what a provider says of its limits", () => {
  const told = async (batch: GivenBatch, news: Partial<QuotaNews>, until: string) => {
    createQuotaReporter(batch.redis, batch.names)("lab", { limits: [], pauseMs: 0, reason: "", ...news });
    await expect.poll(() => batch.redis.hexists(batch.names.pace("lab"), until)).toBe(1);
  };

  it("pauses everybody for as long as a 429 says, be it a day, with its reason", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, [[1, 1]]);
    const other = await batch.join("other");
    await told(batch, { pauseMs: 86_400_000, reason: "example.net answers 429: come back tomorrow" }, "pausedUntil");
    const verdict = await other.gate(0, { pace: question({ rpm: 600 }) });
    expect(verdict).toMatchObject({
      kind: "paced",
      isPause: true,
      reason: expect.stringContaining("come back tomorrow"),
    });
    expect((verdict as { delayMs: number }).delayMs).toBeGreaterThan(86_300_000);
  });

  it("paces a tier that has no limits of its own by those that were learned", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, Array(40).fill([1, 1]));
    const ask = (row: number) => batch.owner.gate(row, { call: row + 1, pace: question("auto") });
    expect(chargeOf(await ask(0)).delayMs).toBe(0);
    await told(batch, { limits: [["requests", { perMinute: 600, left: 600 }]] }, "limit:requests");
    const verdicts = await Promise.all(Array.from({ length: 39 }, (_, row) => ask(row + 1)));
    expect(verdicts.filter(({ kind }) => kind === "paced").length).toBeGreaterThan(20);
  });

  it("lowers the bucket when less is left than we would send: somebody else uses the same quota", async () => {
    const batch = await givenBatch(server);
    await feedWeighed(batch, [
      [1, 1],
      [1, 1],
    ]);
    await fillBuckets(batch);
    await told(batch, { limits: [["requests", { perMinute: 600, left: 590 }]] }, "limit:requests");
    expect(chargeOf(await batch.owner.gate(0, { pace: question({ rpm: 600 }) })).delayMs).toBe(0);
    await batch.redis.hdel(batch.names.pace("lab"), "limit:requests");
    await told(batch, { limits: [["requests", { perMinute: 600, left: 0 }]] }, "limit:requests");
    expect(await batch.owner.gate(1, { call: 2, pace: question({ rpm: 600 }) })).toMatchObject({ kind: "paced" });
  });
});
