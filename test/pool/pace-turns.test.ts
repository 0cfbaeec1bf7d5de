import { describe, expect, it } from "vitest";
import { horizonMs } from "../../src/pool/pace.ts";
import { question } from "../support/given-pace.ts";
import { delayOf, givenScope as givenScopeOn, lateMs } from "../support/given-scope.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();
const givenScope = () => givenScopeOn(server);

describe("limits that only a first answer tells", () => {
  it("let one row a second go, and the others ask again soon, in no line", async () => {
    const { ask, fromNow } = givenScope();
    expect(await delayOf(ask(question("auto")))).toBe(0);
    const second = await ask(question("auto"));
    expect(second).toMatchObject({ kind: "paced", delayMs: 500, reason: "unknown" });
    expect(await ask(question("auto"), { stood: true })).toEqual(second);
    expect(await fromNow("line")).toBeLessThan(lateMs);
  });

  it("hold nobody back once an answer has told that there are none", async () => {
    const { key, ask } = givenScope();
    await server.client.hset(key, "limit:none", 1);
    for (let row = 0; row < 5; row++) expect(await delayOf(ask(question("auto")))).toBe(0);
  });

  it("are waited for behind a pause, with its reason", async () => {
    const { key, set, ask } = givenScope();
    await set({ pausedUntil: 5_000 });
    await server.client.hset(key, "reason", "come back later");
    const turn = await ask(question("auto"));
    expect(turn).toMatchObject({ kind: "paced", isPause: true, reason: "come back later" });
    expect((turn as { delayMs: number }).delayMs).toBeGreaterThan(4_000);
  });
});

describe("a pause", () => {
  it("ends with an empty bucket, not with all that was earned meanwhile", async () => {
    const { set, ask } = givenScope();
    await set({ requests: -1e6, pausedUntil: 200 });
    const delays = [];
    for (let row = 0; row < 2; row++) delays.push(await delayOf(ask(question({ rpm: 600 }), { onlineMs: 5_000 })));
    expect(delays[0]).toBeGreaterThan(200 - lateMs);
    expect(delays[1]! - delays[0]!).toBeGreaterThan(100 - lateMs / 2);
  });

  it("also holds where no limit is known", async () => {
    const { set, ask } = givenScope();
    await set({ pausedUntil: 200 });
    expect(await delayOf(ask(question({})))).toBeGreaterThan(200 - lateMs);
  });

  it("is not made shorter by another answer that asks for less", async () => {
    const { tell, fromNow, set } = givenScope();
    await set({ pausedUntil: 60_000 });
    tell("lab", { limits: [["tokens", { perMinute: 100, left: 100 }]], pauseMs: 1_000, reason: "soon" });
    await until("the news to be told", async () => (await fromNow("limit:tokens")) > -1e15);
    expect(await fromNow("pausedUntil")).toBeGreaterThan(50_000);
  });
});

describe("what a row costs", () => {
  it("is a request, and the tokens of its prompt and answer each of them and together", async () => {
    const { set, ask, fromNow } = givenScope();
    await set({ requests: 0, tokens: 0, input: 0, output: 0 });
    const minute = 60_000;
    await ask(question({ rpm: minute, tpm: minute, inputTpm: minute, outputTpm: minute }), { weight: [100, 30] });
    for (const [limit, tokens] of Object.entries({ requests: 1, tokens: 130, input: 100, output: 30 })) {
      const ms = await fromNow(limit);
      expect(ms, limit).toBeGreaterThan(tokens - lateMs / 4);
      expect(ms, limit).toBeLessThan(1.02 * tokens + 1);
    }
  });

  it("is corrected by what the model's tokenizer made of others, and guessed by its bytes without an estimate", async () => {
    const { set, ask } = givenScope();
    await set({ tokens: -1e6 });
    const terms = question({ tpm: 1e6 });
    const twice = { ...terms, pace: [...terms.pace.slice(0, 6), 2, horizonMs] };
    expect(await ask(twice, { weight: [100, 1] })).toMatchObject({ charge: { inputTokens: 200 } });
    const rule = question({ tpm: 1e6 }, { rule: "real", expectedOutputTokens: 7 });
    expect(await ask(rule, { weight: [100, 30] })).toMatchObject({ charge: { inputTokens: 100, outputTokens: 7 } });
    const batchless = await ask(terms, { payload: '{"weight":[],"prompt":"x"}' });
    expect(batchless).toMatchObject({ kind: "turn", charge: { outputTokens: 100 } });
  });

  it("is bounded, so that no row can stop a tier for hours", async () => {
    const { set, ask, fromNow } = givenScope();
    await set({ tokens: -1e6 });
    await ask(question({ tpm: 1_000 }), { weight: [1e9, 1] });
    expect(await fromNow("tokens")).toBeLessThan(122_000);
  });
});

describe("the line", () => {
  /** A second for each; `requests` is then when the next one has its turn. */
  const terms = question({ rpm: 60 });

  it("goes before those who have just come", async () => {
    const { set, ask } = givenScope();
    // Its turn is in 300 ms: within the horizon of who has stood, beyond the half of it that others may take.
    await set({ requests: 300 });
    expect((await ask(terms)).kind).toBe("paced");
    expect((await ask(terms, { stood: true })).kind).toBe("turn");
    const other = givenScope();
    // And in 180 ms, while somebody stands in line: beyond the quarter that is left to others then.
    await other.set({ requests: 180, line: 1_000 });
    expect((await other.ask(terms)).kind).toBe("paced");
    expect((await other.ask(terms, { stood: true })).kind).toBe("turn");
    await other.set({ requests: 180, line: -1 });
    expect((await other.ask(terms)).kind).toBe("turn");
  });

  it("keeps the place of who came back a little too early", async () => {
    const { set, ask, fromNow } = givenScope();
    await set({ requests: 700, line: 5_000 });
    const early = await ask(terms, { stood: true });
    expect((early as { delayMs: number }).delayMs).toBeLessThan(700);
    expect(await fromNow("line")).toBeLessThan(5_000);
    const late = await ask(terms);
    expect((late as { delayMs: number }).delayMs).toBeGreaterThan(5_000 - lateMs);
  });

  it("puts who came back much too early at its end", async () => {
    const { set, ask } = givenScope();
    await set({ requests: 3_000, line: 5_000 });
    const turn = await ask(terms, { stood: true });
    expect((turn as { delayMs: number }).delayMs).toBeGreaterThan(5_000 - lateMs);
  });

  it("is remembered from one question to the next, and as long as the slowest of a row's limits needs", async () => {
    const { set, ask, fromNow } = givenScope();
    // Six requests may come at once: the turn is five of them before.
    await set({ requests: 2_000 + 505, input: 0, output: 0 });
    const both = question({ rpm: 600, inputTpm: 60_000, outputTpm: 6e6 });
    await ask(both, { weight: [1_000, 1] });
    const line = await fromNow("line");
    // A second of input tokens, where requests would take a tenth.
    expect(line).toBeGreaterThan(2_000 - horizonMs / 2 + 900 - lateMs);
    await ask(both, { weight: [1_000, 1] });
    expect(await fromNow("line")).toBeGreaterThan(line + 900);
  });

  it("lets a large row have its turn when a small one would: small ones cannot starve it", async () => {
    const small = givenScope();
    const large = givenScope();
    for (const one of [small, large]) await one.set({ tokens: 800 });
    const limit = question({ tpm: 60_000 });
    expect((await small.ask(limit, { weight: [1, 1] })).kind).toBe("turn");
    expect((await large.ask(limit, { weight: [550, 1] })).kind).toBe("turn");
  });

  it("goes when a row starts later than now: what is charged is charged from then on", async () => {
    const { set, ask, fromNow } = givenScope();
    // Requests let it start in 200 ms; its tokens are full and are not earned back before that.
    await set({ requests: 200, tokens: -1e6 });
    await ask(question({ rpm: 60, tpm: 600_000 }), { weight: [1_000, 1] });
    expect(await fromNow("tokens")).toBeGreaterThan(200 + 100 - lateMs);
  });
});
