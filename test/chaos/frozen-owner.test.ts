import { beforeAll, expect, it } from "vitest";
import { fleetNames } from "../../src/queue/names.ts";
import { givenWorkplace } from "../support/given-workplace.ts";
import { assertEachResultOnce } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();
let redis: string;
beforeAll(async () => {
  redis = await server.listenOnPort();
});

const usedMb = async () => Number(/used_memory:(\d+)/.exec(await server.client.info("memory"))?.[1]) / 1024 ** 2;

it("an owner that is frozen: pools stop and say for whom they wait, Redis does not grow, and it goes on", async () => {
  const rows = 20_000;
  const { project, fleet, work, feed } = await givenWorkplace(server, redis, { rows, backend: { latencyMs: 5 } });
  const worker = await work();
  const run = feed();
  await until("answers", () => project.backend.requests() > 2_000);
  const before = await usedMb();
  run.signal("SIGSTOP");
  await until(
    "the reason",
    () => /batch \w+ waits: its owner \(process \d+-\w+\) is silent/.test(worker.stderr()),
    20_000,
  );
  const asked = project.backend.requests();
  const [batchId] = await server.client.smembers(fleetNames(fleet).openBatches);
  const keys = fleetNames(fleet).batch(batchId!);
  const frozen = await usedMb();
  const frozenAtMs = Date.now();
  await until("some more time", () => Date.now() - frozenAtMs > 3_000);
  expect(project.backend.requests()).toBe(asked);
  expect(await usedMb()).toBeLessThan(frozen + 0.5);
  expect(frozen).toBeLessThan(before + 8);
  expect(await server.client.hlen(keys.payloads)).toBeLessThanOrEqual(4_000);
  run.signal("SIGCONT");
  expect(await run.ended).toMatchObject({ code: 0 });
  assertEachResultOnce(project.output, rows);
  expect(project.backend.requests()).toBe(rows);
  await until("word that it goes on", () => worker.stderr().trimEnd().endsWith("goes on"));
}, 90_000);
