import { beforeAll, expect, it, onTestFinished } from "vitest";
import { assertWindowNeverExceeds, type CountedStart } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import type { SimulatedFault, SimulatedRequest } from "../support/simulated-answers.ts";
import { until } from "../support/until.ts";
import { collect, givenFleet, rows } from "./given-fleet.ts";

const server = withRedis();
let redis: string;
beforeAll(async () => {
  redis = await server.listenOnPort();
});

/** A SIMULATED provider's bucket of two seconds of its limit. */
function bucketOf(perMinute: number) {
  const depth = perMinute / 30;
  let [level, atMs] = [depth, performance.now()];
  const fill = (): void => {
    const nowMs = performance.now();
    level = Math.min(depth, level + ((nowMs - atMs) * perMinute) / 60_000);
    atMs = nowMs;
  };
  return {
    take(): boolean {
      fill();
      if (level < 1) return false;
      level--;
      return true;
    },
    headers: () => ({
      "x-ratelimit-limit-requests": String(perMinute),
      "x-ratelimit-remaining-requests": String(Math.floor(level)),
    }),
  };
}

const answerOf = ({ key }: SimulatedRequest): string =>
  JSON.stringify({
    model: "simulated-model",
    choices: [{ index: 0, message: { role: "assistant", content: `answer to ${key}` }, finish_reason: "stop" }],
    usage: { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 },
  });

it("a quota of which another client of the same key takes half is found by headers: the rest is used, with hardly a 429", async () => {
  const perMinute = 1_200;
  const bucket = bucketOf(perMinute);
  const elsewhere = setInterval(() => bucket.take(), 120_000 / perMinute);
  onTestFinished(() => clearInterval(elsewhere));
  let throttled = 0;
  const fault = (request: SimulatedRequest): SimulatedFault => {
    const isLetIn = bucket.take();
    if (!isLetIn) throttled++;
    return { kind: "status", status: isLetIn ? 200 : 429, headers: bucket.headers(), body: answerOf(request) };
  };
  const { open, config } = await givenFleet({ latencyMs: 20, fault });
  const lab = { ...config.tiers!.lab!, limits: "auto" as const };
  const fleet = await open({
    redis,
    fleet: server.newFleetName(),
    config: { ...config, tiers: { ...config.tiers, lab } },
  });
  const startedMs = performance.now();
  const results = await collect(fleet.run(rows(150)));
  const seconds = (performance.now() - startedMs) / 1_000;
  expect(results.every(({ text }) => text !== undefined)).toBe(true);
  expect(throttled, "429s of 150").toBeLessThanOrEqual(3);
  // Ten a second are left, after a bucket that is full.
  expect(150 / seconds).toBeGreaterThan(8);
}, 60_000);

it.each([
  ["killed and comes back empty", () => server.kill().then(() => server.wipe())],
  ["shut down and started again", () => server.shutDown()],
])(
  "a limit is neither forgotten nor multiplied by a Redis that is %s in the middle of a run",
  async (_what, goDown) => {
    const perMinute = 1_200;
    const arrivals: CountedStart[] = [];
    const fault = (request: SimulatedRequest): SimulatedFault => {
      arrivals.push({ atMs: performance.now(), cost: 1 });
      return { kind: "status", status: 200, body: answerOf(request) };
    };
    const { open, config } = await givenFleet({ fault });
    const lab = { ...config.tiers!.lab!, limits: { rpm: perMinute } };
    const fleet = await open({
      redis,
      fleet: server.newFleetName(),
      config: { ...config, tiers: { ...config.tiers, lab } },
    });
    const running = collect(fleet.run(rows(120)));
    await until("some calls", () => arrivals.length > 30);
    await goDown();
    await server.start();
    await server.client.config("SET", "port", new URL(redis).port);
    expect((await running).length).toBe(120);
    for (const windowMs of [1_000, 3_000]) assertWindowNeverExceeds(arrivals, perMinute, windowMs, 200);
  },
  60_000,
);
