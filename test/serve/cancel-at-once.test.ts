import { expect, it } from "vitest";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer, untilEnded } from "../support/serve.ts";
import { until } from "../support/until.ts";

const redis = withRedis();

it("asks no row of a cancelled batch that stood ready for the next free place", async () => {
  const { client, backend } = await givenServer(redis, { backend: { latencyMs: 60_000 }, concurrency: 4 });
  const { id } = await givenBatchOf(client, batchLines(12));
  // One place is kept for online calls.
  await until("its places to be taken", () => backend.inFlight === 3);
  await client.batches.cancel(id);
  expect((await untilEnded(client, id)).request_counts).toEqual({ total: 12, completed: 0, failed: 12 });
  await until("the backend to be left alone", () => backend.inFlight === 0);
  expect(backend.requests()).toBe(3);
});
