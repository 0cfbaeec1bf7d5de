import { beforeAll, describe, expect, it } from "vitest";
import type { Result } from "../../src/index.ts";
import { unsettled } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";
import { collect, givenFleet, rows } from "./given-fleet.ts";

const server = withRedis();
let redis: string;
beforeAll(async () => {
  redis = await server.listenOnPort();
});

/** Starts it again where the fleet looks for it. */
async function startAgain(): Promise<void> {
  await server.start();
  await server.client.config("SET", "port", new URL(redis).port);
}

const answeredOnce = (results: readonly Result[], count: number) => {
  expect(results.length).toBe(count);
  expect(new Set(results.map(({ id }) => id)).size).toBe(count);
  expect(results.filter(({ id, text }) => text !== `answer to ${id}`)).toEqual([]);
};

describe("a run of the library", () => {
  it.each([
    ["is shut down and started again", () => server.shutDown()],
    ["is killed and started again", () => server.kill()],
    ["is killed and comes back empty", () => server.kill().then(() => server.wipe())],
  ])(
    "whose Redis %s yields each result once",
    async (_what, goDown) => {
      const { open, backend } = await givenFleet({ latencyMs: 30 });
      const fleet = await open({ redis, fleet: server.newFleetName() });
      let seen = 0;
      const counted = (async () => {
        const results: Result[] = [];
        for await (const result of fleet.run(rows(400))) {
          results.push(result);
          seen++;
        }
        return results;
      })();
      await until("some results", () => seen > 60);
      await goDown();
      await until("the calls in flight to end", () => backend.inFlight === 0);
      await startAgain();
      answeredOnce(await counted, 400);
      expect(backend.requests()).toBeLessThanOrEqual(400 + unsettled(16));
      // The fleet goes on as before.
      answeredOnce(await collect(fleet.run(rows(50, "after"))), 50);
    },
    60_000,
  );
});

describe("close", () => {
  it("ends in some seconds though Redis is away, and rejects what is open", async () => {
    const { open, backend } = await givenFleet({ latencyMs: 50 });
    const fleet = await open({ redis, fleet: server.newFleetName() });
    const results = collect(fleet.run(rows(400))).catch((error: Error) => error.message);
    await until("calls in flight", () => backend.requests() > 60 && backend.inFlight > 0);
    await server.kill();
    await fleet.close();
    expect(await results).toContain("closed before this row had its result");
    await startAgain();
  });
});
