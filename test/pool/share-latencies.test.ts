import { expect, it } from "vitest";
import { createLatencies } from "../../src/job/latency.ts";
import { shareLatencies } from "../../src/pool/share-latencies.ts";
import { fleetNames } from "../../src/queue/names.ts";
import { withRedis } from "../support/redis-server.ts";

const server = withRedis();

/** A process of a fleet that measures. */
function given(fleet: string) {
  const latencies = createLatencies();
  return { latencies, share: shareLatencies(server.client, fleetNames(fleet), latencies) };
}

it("processes of a fleet learn the mean of all that they measured, each measurement once", async () => {
  const fleet = server.newFleetName();
  const [one, other] = [given(fleet), given(fleet)];
  for (const latencyMs of [100, 100, 100]) one.latencies.note("fast", latencyMs);
  other.latencies.note("fast", 500);
  other.latencies.note("ollama/odd:name", 7);
  await one.share();
  await other.share();
  await one.share();
  for (const { latencies } of [one, other]) {
    expect(latencies.meanMsOf("fast")).toBeCloseTo(200, 0);
    expect(latencies.meanMsOf("ollama/odd:name")).toBeCloseTo(7, 0);
    expect(latencies.meanMsOf("never")).toBeUndefined();
  }
});

it("old measurements weigh less and less, and stay known while nothing new is measured", async () => {
  const fleet = server.newFleetName();
  const { latencies, share } = given(fleet);
  for (let call = 0; call < 1_000; call++) latencies.note("slowed", 100);
  await share();
  const key = fleetNames(fleet).latencies;
  const [mean, weight] = (await server.client.hget(key, "slowed"))!.split(":");
  await server.client.hset(key, "slowed", `${mean}:${weight}:${Date.now() - 6 * 3_600_000}`);
  await share();
  expect(latencies.meanMsOf("slowed")).toBe(100);
  latencies.note("slowed", 900);
  await share();
  expect(latencies.meanMsOf("slowed")).toBeCloseTo(900, 0);
});
