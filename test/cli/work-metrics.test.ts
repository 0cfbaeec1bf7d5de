import { expect, it } from "vitest";
import type { ProjectOptions } from "../support/cli.ts";
import { givenWorkplace } from "../support/given-workplace.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();

async function given(options: ProjectOptions = {}) {
  const redis = await server.listenOnPort();
  const workplace = await givenWorkplace(server, redis, options);
  const worker = await workplace.work("--metrics-port", "0");
  const base = /metrics at (http:\/\/127\.0\.0\.1:\d+)\/metrics/.exec(worker.stderr())![1]!;
  return { ...workplace, worker, base, redis };
}

it("work --metrics-port answers for its own process, on loopback, for as long as it works", async () => {
  const { feed, worker, base } = await given({ rows: 30 });
  expect(await feed().ended).toMatchObject({ code: 0 });
  const text = await (await fetch(`${base}/metrics`)).text();
  expect(text).toContain('promptfleet_calls_total{tier="lab",model="small",outcome="answered"} 30\n');
  expect(text).toMatch(/promptfleet_queue_wait_seconds_count\{tier="lab"\} [1-9]/);
  expect(text).toContain('promptfleet_slots{tier="lab"} ');
  // Rows are counted by the process that has their results.
  expect(text).not.toContain("promptfleet_rows_total{");
  expect(await (await fetch(`${base}/healthz`)).json()).toEqual({ status: "ok" });
  expect((await fetch(`${base}/readyz`)).status).toBe(200);
  expect((await fetch(`${base}/elsewhere`)).status).toBe(404);
  expect((await fetch(`${base}/metrics`, { method: "POST" })).status).toBe(404);
  worker.signal("SIGTERM");
  expect(await worker.ended).toMatchObject({ code: 0 });
  await expect(fetch(`${base}/healthz`)).rejects.toThrow();
});

it("while Redis is away it is alive but not ready, and says why", async () => {
  const { base } = await given();
  await server.kill();
  const refused = await until("it to notice", async () => {
    const ready = await fetch(`${base}/readyz`);
    return ready.status === 503 ? ready : undefined;
  });
  expect(await refused.json()).toEqual({ status: "Redis is not reachable" });
  expect((await fetch(`${base}/healthz`)).status).toBe(200);
  expect(await (await fetch(`${base}/metrics`)).text()).toContain("promptfleet_redis_up 0\n");
  await server.start();
});

it("a port that is taken is refused with what to do, before any pool works", async () => {
  const { base, project, fleet, redis } = await given();
  const port = new URL(base).port;
  const refused = await project.start(["work", "--redis", redis, "--fleet", fleet, "--metrics-port", port]).ended;
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/^promptfleet: cannot listen on 127\.0\.0\.1:\d+: .*choose another --metrics-port\n$/);
});
