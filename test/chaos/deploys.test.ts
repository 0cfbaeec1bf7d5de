import { beforeAll, expect, it } from "vitest";
import { givenWorkplace } from "../support/given-workplace.ts";
import { assertEachResultOnce } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();
let redis: string;
beforeAll(async () => {
  redis = await server.listenOnPort();
});

it("ten deploys under load (a new worker starts, the old one gets SIGTERM) lose nothing and ask nothing twice", async () => {
  const rows = 30_000;
  const { project, work, feed } = await givenWorkplace(server, redis, {
    rows,
    concurrency: 16,
    backend: { latencyMs: 30 },
  });
  let worker = await work();
  const run = feed("--json");
  await until("answers", () => project.backend.requests() > 100);
  for (let deploy = 1; deploy <= 10; deploy++) {
    const next = await work();
    const askedBefore = project.backend.requests();
    worker.signal("SIGTERM");
    expect(await worker.ended).toMatchObject({ code: 0 });
    await until("the next to ask", () => project.backend.requests() > askedBefore + 100);
    worker = next;
  }
  // The rest need not take its time.
  project.backend.setBehaviour({ latencyMs: 1 });
  expect(await run.ended).toMatchObject({ code: 0 });
  expect(assertEachResultOnce(project.output, rows).filter(({ attempts }) => attempts !== 1)).toEqual([]);
  expect(project.backend.requests()).toBe(rows);
  expect(project.backend.countsByKey.size).toBe(rows);
}, 120_000);

it("a worker whose time is over, or that is told twice, hands its rows back; no attempt is counted", async () => {
  const { project, work, feed } = await givenWorkplace(server, redis, {
    rows: 40,
    concurrency: 8,
    backend: { fault: { kind: "stall" } },
  });
  const impatient = await work("--grace", "500ms");
  const run = feed();
  await until("calls in flight", () => project.backend.inFlight === 8);
  impatient.signal("SIGTERM");
  expect(await impatient.ended).toMatchObject({ code: 0 });
  expect(impatient.stderr()).toMatch(/0.5 s to end; a second signal hands it back/);
  await until("its calls to be gone", () => project.backend.inFlight === 0);

  const told = await work();
  await until("calls in flight", () => project.backend.inFlight === 8);
  told.signal("SIGTERM");
  await until("word of it", () => told.stderr().includes("stopping"));
  told.signal("SIGTERM");
  expect(await told.ended).toMatchObject({ code: 0 });

  project.backend.setBehaviour({ fault: undefined });
  await work();
  expect(await run.ended).toMatchObject({ code: 0 });
  const results = assertEachResultOnce(project.output, 40);
  expect(results.filter(({ status, attempts }) => status !== "answered" || attempts !== 1)).toEqual([]);
  expect(project.backend.requests()).toBe(40 + 16);
}, 60_000);
