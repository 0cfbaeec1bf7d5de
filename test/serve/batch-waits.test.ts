import { expect, it } from "vitest";
import { batchWaits } from "../../src/serve/batch-waits.ts";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, startGivenServer } from "../support/serve.ts";
import { until } from "../support/until.ts";

const redis = withRedis();

it("a batch tells for which tier its rows wait, and why, whoever of the fleet works the tier", async () => {
  const owner = await givenServer(redis, { withPools: false });
  const { id } = await givenBatchOf(owner.client, batchLines(5));
  const untilItSays = (words: RegExp) =>
    until(`the batch to say ${words}`, async () => {
      const { promptfleet } = (await owner.client.batches.retrieve(id)) as never as { promptfleet: { waits: string } };
      return words.test(promptfleet.waits ?? "");
    });
  await untilItSays(/^lab: no process works this tier$/);
  await owner.backend.close();
  await startGivenServer(redis, owner.config);
  await untilItSays(/^lab: .*refused.*, since \d{4}-\d\d-\d\d \d\d:\d\d UTC$/);
});

it("what has calls in flight is no wait, and what holds up the whole batch is said first", () => {
  const tier = { slots: 4, waiting: 7, reason: "its limit of requests a minute is in use" };
  const tiers = [
    { ...tier, tier: "moves", running: 2 },
    { ...tier, tier: "stands", running: 0 },
    { ...tier, tier: "goes on", running: 0, reason: undefined },
  ];
  const ofStands = "stands: its limit of requests a minute is in use";
  expect(batchWaits(undefined, { tiers })).toEqual([ofStands]);
  expect(batchWaits("Redis is not reachable", { tiers })).toEqual(["Redis is not reachable", ofStands]);
  expect(batchWaits(undefined, undefined)).toEqual([]);
});
