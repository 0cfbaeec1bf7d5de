import { expect, it } from "vitest";
import { serveWorkerMetrics } from "../../src/serve/worker-metrics.ts";
import { afterTests } from "../support/clean-up.ts";
import { withRedis } from "../support/redis-server.ts";
import { givenServer } from "../support/serve.ts";
import { until } from "../support/until.ts";

const redis = withRedis();

it("a server and a process that works are not ready while Redis says nothing, and say so; healthy they are", async () => {
  const server = await givenServer(redis);
  const work = await serveWorkerMetrics(server.context.fleet, { host: "127.0.0.1", port: 0 });
  afterTests(work.close);
  const look = async (page: string) => {
    const responses = await Promise.all([server.url, work.url].map((url) => fetch(url + page)));
    return Promise.all(responses.map(async (one) => [one.status, ((await one.json()) as { status: string }).status]));
  };
  const fine = [
    [200, "ok"],
    [200, "ok"],
  ];
  expect(await look("/readyz")).toEqual(fine);
  redis.signal("SIGSTOP");
  try {
    const away = await look("/readyz");
    expect(away.map(([status]) => status)).toEqual([503, 503]);
    for (const [, words] of away) expect(words).toMatch(/^Redis (?:does not answer|is not reachable)/);
    expect(await look("/healthz")).toEqual(fine);
    expect(await (await fetch(`${work.url}/metrics`)).text()).toContain("\npromptfleet_redis_up 0\n");
  } finally {
    redis.signal("SIGCONT");
  }
  await until("both to be ready again", async () => (await look("/readyz")).every(([status]) => status === 200));
});
