import { beforeAll, describe, expect, it } from "vitest";
import type { Result } from "../../src/index.ts";
import { fleetNames } from "../../src/queue/names.ts";
import { unsettled } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";
import { collect, givenFleet, rows } from "./given-fleet.ts";

const server = withRedis();
let redis: string;
beforeAll(async () => {
  redis = await server.listenOnPort();
});

const answeredOnce = (results: readonly Result[], count: number) => {
  expect(results.length).toBe(count);
  expect(new Set(results.map(({ id }) => id)).size).toBe(count);
  expect(results.filter(({ id, text }) => text !== `answer to ${id}`)).toEqual([]);
};

describe("fleets that share a Redis", () => {
  it("give each its own results, whoever asked", async () => {
    const { open, backend } = await givenFleet({ latencyMs: 10 });
    const fleet = server.newFleetName();
    const first = await open({ redis, fleet, tiers: ["lab"] });
    const second = await open({ redis, fleet, tiers: ["lab"] });
    const [ofFirst, ofSecond] = await Promise.all([
      collect(first.run(rows(200, "a"))),
      collect(second.run(rows(200, "b"))),
    ]);
    answeredOnce(ofFirst, 200);
    answeredOnce(ofSecond, 200);
    expect(ofFirst.every(({ id }) => id.startsWith("a"))).toBe(true);
    expect(backend.requests()).toBe(400);
  });

  it("of which one closes in the middle: the other's rows are all answered once", async () => {
    const { open, backend } = await givenFleet({ latencyMs: 30 });
    const fleet = server.newFleetName();
    const leaving = await open({ redis, fleet, tiers: ["lab"] });
    const staying = await open({ redis, fleet, tiers: ["lab"] });
    let seen = 0;
    const results: Result[] = [];
    const abandoned = collect(leaving.run(rows(300, "a"))).catch((error: Error) => error.message);
    for await (const result of staying.run(rows(300, "b"))) {
      results.push(result);
      if (++seen === 60) void leaving.close();
    }
    answeredOnce(results, 300);
    expect(await abandoned).toContain("closed before this row had its result");
    await leaving.close();
    const askedOfStaying = [...backend.countsByKey].filter(([key]) => key.startsWith("b"));
    // What the leaving one had in flight was handed back and asked again; no more than its calls at once.
    expect(askedOfStaying.reduce((sum, [, count]) => sum + count, 0)).toBeLessThanOrEqual(300 + unsettled(16));
    expect(Math.max(...askedOfStaying.map(([, count]) => count))).toBeLessThanOrEqual(2);
  });

  it("with pools elsewhere only (`tiers: []`): rows wait for a pool, and its own process asks none", async () => {
    const { open, backend } = await givenFleet();
    const fleet = server.newFleetName();
    const asking = await open({ redis, fleet, tiers: [] });
    const results = collect(asking.run(rows(40)));
    await until("the rows to lie in the queue", () => server.client.llen(`${fleetNames(fleet).queuePrefix}:lab:wait`));
    expect(backend.requests()).toBe(0);
    const working = await open({ redis, fleet, tiers: ["lab"] });
    answeredOnce(await results, 40);
    await working.close();
  });

  it("of another name do not meet", async () => {
    const { open, backend } = await givenFleet();
    const [mine, theirs] = [server.newFleetName(), server.newFleetName()];
    await open({ redis, fleet: theirs, tiers: ["lab"] });
    const asking = await open({ redis, fleet: mine, tiers: [] });
    const waiting = asking.enqueue({ prompt: "about #mine" }).result.catch(() => "closed");
    await until("the row to lie in the queue", () => server.client.llen(`${fleetNames(mine).queuePrefix}:lab:wait`));
    const other = await open({ redis, fleet: theirs, tiers: ["lab"] });
    expect((await other.enqueue({ prompt: "about #theirs" }).result).status).toBe("answered");
    expect([...backend.countsByKey.keys()]).toEqual(["theirs"]);
    await asking.close();
    expect(await waiting).toBe("closed");
  });
});
