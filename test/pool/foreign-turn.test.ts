import { describe, expect, it } from "vitest";
import type { ModelConfig, TierConfig } from "../../src/config/config.ts";
import { createForeignTurns } from "../../src/pool/foreign-turn.ts";
import { createPace } from "../../src/pool/pace.ts";
import { createTurns } from "../../src/pool/take-turn.ts";
import type { TierPool } from "../../src/pool/tier-pool.ts";
import { fleetNames } from "../../src/queue/names.ts";
import { assertWindowNeverExceeds, type CountedStart } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";

const server = withRedis();
const model: ModelConfig = { alias: "small", tier: "lab", model: "small", maxOutputTokens: 10, defaults: {} };
const tierOf = (limits: TierConfig["limits"]): TierConfig => ({
  name: "lab",
  provider: "openai-compatible",
  baseUrls: [],
  location: "cloud",
  concurrency: 8,
  requestTimeoutMs: 1_000,
  fallbackAfterMs: 1_000,
  ...(limits === undefined ? {} : { limits }),
});

function given(limits: TierConfig["limits"]) {
  const waitForTurn = createForeignTurns(createTurns(server.client, fleetNames(server.newFleetName()), "some-process"));
  const pool = { pace: createPace(tierOf(limits), [], () => {}), pause: () => {} } as unknown as TierPool;
  const row = { model, task: null, payload: "{}" };
  return {
    pool,
    ask: (cameBack = false) => waitForTurn(pool, { ...row, cameBack }),
  };
}

describe("a row that no batch holds", () => {
  it("starts when the limits of its model let it, as others do", async () => {
    const { ask } = given({ rpm: 1_200 });
    const starts: CountedStart[] = [];
    const start = async () => {
      for (let cameBack = false; (await ask(cameBack)) !== undefined; cameBack = true);
      starts.push({ atMs: performance.now(), cost: 1 });
    };
    await Promise.all(Array.from({ length: 40 }, start));
    assertWindowNeverExceeds(starts, 1_200, 500, 100);
    expect(starts.length).toBe(40);
  });

  it("steps aside when its turn is further away than the horizon", async () => {
    const { ask } = given({ rpm: 1 });
    expect(await ask()).toBeGreaterThan(50_000);
  });

  it("does not wait without limits, and is sent away by a stop", async () => {
    expect(await given(undefined).ask()).toBeUndefined();
    const { ask, pool } = given({ rpm: 240 });
    const asking = ask();
    pool.pace.turnAway();
    expect(await asking).toBeDefined();
  });
});
