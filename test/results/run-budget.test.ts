import { expect, it } from "vitest";
import { fleetNames } from "../../src/queue/names.ts";
import { createRunBudget } from "../../src/results/run-budget.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();

it("ends a run whose budget is spent when only a killed pool has calls on record, and not while a living one has", async () => {
  const { client: redis } = server;
  const names = fleetNames(server.newFleetName());
  const keys = names.batch("b");
  const [seconds] = await redis.time();
  await redis.zadd(names.processes, Number(seconds) * 1_000 - 60_000, "7-killed", Number(seconds) * 1_000, "8-living");
  await redis.hset(keys.calls, { 0: "7-killed 1", 1: "8-living 1" });
  const budget = createRunBudget(redis, names, "b", 1, 0);
  await budget.announce();
  await redis.hset(keys.spend, { exhausted: 1, reserved: 0 });
  let ended = false;
  const watch = budget.watch({
    recorded: () => 0,
    remember: () => {},
    onSpent: () => {
      ended = true;
    },
  });
  try {
    // Longer than it must be quiet for.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    expect(ended).toBe(false);
    await redis.hdel(keys.calls, "1");
    await until("the end of the run", () => ended);
  } finally {
    await watch.stop();
  }
});
