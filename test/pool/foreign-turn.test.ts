import { describe, expect, it } from "vitest";
import type { ModelConfig, TierConfig } from "../../src/config/config.ts";
import { createForeignTurns, type ForeignTurn } from "../../src/pool/foreign-turn.ts";
import { createPace } from "../../src/pool/pace.ts";
import { createTurns } from "../../src/pool/take-turn.ts";
import type { TierPool } from "../../src/pool/tier-pool.ts";
import { fleetNames } from "../../src/queue/names.ts";
import { createTurnSettler } from "../../src/results/settle-turns.ts";
import { assertWindowNeverExceeds, type CountedStart } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();
const price = { inputPerMTok: 0, outputPerMTok: 1_000 };
const model: ModelConfig = { alias: "small", tier: "lab", model: "small", maxOutputTokens: 100, defaults: {}, price };
const tier: TierConfig = {
  name: "lab",
  provider: "openai-compatible",
  baseUrls: [],
  location: "cloud",
  concurrency: 8,
  requestTimeoutMs: 1_000,
  fallbackAfterMs: 1_000,
};

function given(terms: Partial<TierConfig>, processId = "some-process") {
  const names = fleetNames(server.newFleetName());
  let callNumber = 0;
  const { settle } = createTurnSettler(server.client, names, processId, () => {});
  const waitForTurn = createForeignTurns({
    processId,
    takeTurn: createTurns(server.client, names, processId),
    nextCallNumber: () => ++callNumber,
    settle,
  });
  const pool = { pace: createPace({ ...tier, ...terms }, [], () => {}), pause: () => {} } as unknown as TierPool;
  const payload = '{"weight":[1,100,1,1]}';
  const request = { messages: [] };
  const row = { id: "a", task: null, route: ["small"], private: false, request };
  const asked = { row: 0, model, attempts: 0, payload: row };
  return {
    names,
    pool,
    ask: (cameBack = false) => waitForTurn(pool, { asked, payload, cameBack }),
  };
}

const isTurn = (turn: object): turn is ForeignTurn => "end" in turn;

describe("a row that no batch holds", () => {
  it("starts when the limits of its model let it, as others do", async () => {
    const { ask } = given({ limits: { rpm: 1_200 } });
    const starts: CountedStart[] = [];
    const start = async () => {
      for (let cameBack = false; !isTurn(await ask(cameBack)); cameBack = true);
      starts.push({ atMs: performance.now(), cost: 1 });
    };
    await Promise.all(Array.from({ length: 40 }, start));
    assertWindowNeverExceeds(starts, 1_200, 500, 100);
    expect(starts.length).toBe(40);
  });

  it("steps aside when its turn is further away than the horizon", async () => {
    const { ask } = given({ limits: { rpm: 1 } });
    expect(await ask()).toEqual({ laterMs: expect.any(Number) });
    expect(((await ask()) as { laterMs: number }).laterMs).toBeGreaterThan(50_000);
  });

  it("does not wait without limits, and is sent away by a stop", async () => {
    expect(isTurn(await given({}).ask())).toBe(true);
    const { ask, pool } = given({ limits: { rpm: 240 } });
    const asking = ask();
    pool.pace.turnAway();
    expect(isTurn(await asking)).toBe(false);
  });

  it("holds one of the calls that the tier may have at once, until it has ended", async () => {
    const { ask, pool } = given({ maxConcurrency: 2 });
    const turns = [await ask(), await ask()];
    const third = ask();
    let mayGo = false;
    void third.then(() => {
      mayGo = true;
    });
    await until("the third to be told to wait", () => pool.pace.waitReason()?.includes("maxConcurrency"));
    expect(mayGo).toBe(false);
    (turns[0] as ForeignTurn).end(undefined);
    expect(isTurn(await third)).toBe(true);
  });

  it("charges its limits what its prompt turned out to be, and holds nothing any more once it is settled", async () => {
    const { ask, names } = given({ limits: { tpm: 60_000 }, maxConcurrency: 2 });
    await server.client.hset(names.pace("lab"), { tokens: 1 });
    const turn = await ask();
    if (!isTurn(turn)) throw new Error("it waits");
    const charged = Number(await server.client.hget(names.pace("lab"), "tokens"));
    const usage = { inputTokens: 91, outputTokens: 10, cachedTokens: 0 };
    const answer = { text: "x", model: "small", finishReason: "stop" as const, usage };
    turn.end({ outcome: { kind: "answered", answer }, latencyMs: 5, repairs: 0 } as never);
    await until(
      "it to be settled",
      async () => (await server.client.hget(names.leases("lab"), "some-process")) === "0",
    );
    expect(Number(await server.client.hget(names.pace("lab"), "tokens")) - charged).toBeCloseTo(90 / 0.99, 0);
  });

  it("is paid for out of the tier's budget of the day, at its upper bound when nobody learns what it cost", async () => {
    const { ask, names } = given({ dailyBudgetUsd: 0.25 });
    const [seconds] = await server.client.time();
    const today = Math.floor(Number(seconds) / 86_400);
    await server.client.hset(names.spend("lab"), `${today}:spent`, 0);
    const [first, second] = [await ask(), await ask()];
    if (!isTurn(first) || !isTurn(second)) throw new Error("the budget has room for two calls");
    // Of a call that was not made all comes back, of the other nothing.
    first.end(undefined);
    second.end({ outcome: { kind: "server-error", message: "cut off" }, latencyMs: 5, repairs: 0 });
    const spent = async () => Number(await server.client.hget(names.spend("lab"), `${today}:spent`)) / 1e9;
    await until("both to be settled", async () => (await spent()) > 0);
    expect(await spent()).toBeCloseTo(0.1);
    expect(isTurn(await ask())).toBe(true);
    expect(isTurn(await ask())).toBe(false);
  });
});
