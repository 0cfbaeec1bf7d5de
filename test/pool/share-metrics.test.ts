import { expect, it, onTestFinished } from "vitest";
import { createMeter, fieldOf } from "../../src/job/meter.ts";
import { readMetrics, shareMetrics } from "../../src/pool/share-metrics.ts";
import { connectRedis } from "../../src/queue/connection.ts";
import { fleetNames } from "../../src/queue/names.ts";
import { withRedis } from "../support/redis-server.ts";

const server = withRedis();
const row = { tier: "lab", model: "fast", task: null, error: null };
const field = fieldOf("rows", "lab", "fast", "none", "answered");

function givenProcess(fleet: string) {
  const redis = connectRedis(server.address, "test");
  onTestFinished(() => redis.disconnect());
  const meter = createMeter({ models: ["fast"], tasks: [] });
  const names = fleetNames(fleet);
  return { redis, meter, names, share: shareMetrics(redis, names, meter) };
}

it("the fleet's sums are those of all its processes, and stay when one has gone", async () => {
  const fleet = server.newFleetName();
  const [one, other] = [givenProcess(fleet), givenProcess(fleet)];
  for (const [process, rows] of [
    [one, 3],
    [other, 4],
  ] as const) {
    for (let at = 0; at < rows; at++) process.meter.rowEnded(row);
    await process.share();
    await process.share();
  }
  one.redis.disconnect();
  other.meter.rowEnded(row);
  await other.share();
  expect((await readMetrics(other.redis, other.names)).get(field)).toBe(8);
});

it("what Redis refuses is told again with the next heartbeat", async () => {
  const { meter, names, share, redis } = givenProcess(server.newFleetName());
  await server.client.set(names.metrics, "no hash");
  meter.rowEnded(row);
  await expect(share()).rejects.toThrow(/WRONGTYPE/);
  await server.client.del(names.metrics);
  meter.rowEnded(row);
  await share();
  expect((await readMetrics(redis, names)).get(field)).toBe(2);
  expect(await server.client.ttl(names.metrics)).toBeGreaterThan(86_400);
});
