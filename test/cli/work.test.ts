import { readFileSync } from "node:fs";
import { Queue, QueueEvents } from "bullmq";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { fleetNames } from "../../src/queue/names.ts";
import { isAlive, type ProjectOptions } from "../support/cli.ts";
import { givenWorkplace } from "../support/given-workplace.ts";
import { assertEachResultOnce, unsettled } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();
let redis: string;
beforeAll(async () => {
  redis = await server.listenOnPort();
});
const given = (options: ProjectOptions) => givenWorkplace(server, redis, options);

/** Waits until each living process of the fleet has heard of the others: a beat of each after now. */
async function untilAllHaveBeaten(fleet: string): Promise<void> {
  const [seconds] = await server.client.time();
  await until("a beat of each", async () => {
    const beats = await server.client.zrange(fleetNames(fleet).processes, "0", "-1", "WITHSCORES");
    return beats.filter((_field, at) => at % 2 === 1).every((beat) => Number(beat) > Number(seconds) * 1_000 + 1_000);
  });
}

describe("work", () => {
  it("answers the rows that a run elsewhere feeds", async () => {
    const { project, work, feed } = await given({ rows: 300 });
    const run = feed();
    await until("the run to wait for somebody who asks", () => run.stderr().length > 0);
    expect(project.backend.requests()).toBe(0);
    const worker = await work();
    expect(await run.ended).toMatchObject({ code: 0 });
    const results = assertEachResultOnce(project.output, 300);
    expect(results.every(({ status, tier }) => status === "answered" && tier === "lab")).toBe(true);
    expect(project.backend.requests()).toBe(300);
    expect(isAlive(worker.pid)).toBe(true);
  });

  it("finishes what is in flight at SIGTERM, and leaves; the rest waits for the next", async () => {
    const { project, fleet, work, feed } = await given({ rows: 200, backend: { latencyMs: 300 }, concurrency: 8 });
    const first = await work();
    const run = feed();
    await until("calls in flight", () => project.backend.inFlight === 8);
    first.signal("SIGTERM");
    expect(await first.ended).toMatchObject({ code: 0 });
    expect(project.backend.inFlight).toBe(0);
    const asked = project.backend.requests();
    expect(project.backend.stats().answered).toBe(asked);
    expect(await server.client.hlen(fleetNames(fleet).pools)).toBe(1);
    project.backend.setBehaviour({ latencyMs: 1 });
    await work();
    expect(await run.ended).toMatchObject({ code: 0 });
    assertEachResultOnce(project.output, 200);
    // Nothing that the first had begun was asked again.
    expect(project.backend.requests()).toBe(200);
  });

  it("two of them share a tier's concurrency: each gets its part", async () => {
    const { project, fleet, work, feed } = await given({ rows: 400, backend: { latencyMs: 20 }, concurrency: 8 });
    await work();
    await work();
    await untilAllHaveBeaten(fleet);
    const run = feed();
    expect(await run.ended).toMatchObject({ code: 0 });
    assertEachResultOnce(project.output, 400);
    expect(project.backend.requests()).toBe(400);
    expect(project.backend.peakInFlight).toBeLessThanOrEqual(8);
    expect(project.backend.peakInFlight).toBeGreaterThan(4);
  });

  it("one of two killed by SIGKILL: its rows come back on the other, and each is recorded once", async () => {
    const { project, fleet, work, feed } = await given({ rows: 300, backend: { latencyMs: 60 }, concurrency: 8 });
    const doomed = await work();
    await work();
    await untilAllHaveBeaten(fleet);
    const run = feed();
    await until("calls in flight", () => project.backend.requests() > 60 && project.backend.inFlight > 4);
    doomed.signal("SIGKILL");
    const killedAtMs = Date.now();
    expect(await run.ended).toMatchObject({ code: 0 });
    // Without the kill it would have taken some 3 s; the dead one's rows wait for its lock and its heartbeat.
    expect(Date.now() - killedAtMs).toBeLessThan(20_000);
    const results = assertEachResultOnce(project.output, 300);
    expect(results.every(({ status }) => status === "answered")).toBe(true);
    expect(project.backend.requests()).toBeGreaterThan(300);
    expect(project.backend.requests()).toBeLessThanOrEqual(300 + unsettled(4));
    expect(Math.max(...project.backend.countsByKey.values())).toBe(2);
  }, 60_000);

  it.each(["SIGKILL", "SIGTERM"] as const)(
    "one of two ended by %s: rows of plain BullMQ producers are answered by the other",
    async (signal) => {
      const { project, fleet, work } = await given({ backend: { latencyMs: 100 }, concurrency: 8 });
      const doomed = await work();
      await work();
      const producers = ["lab", "inbox"].map((name) => {
        const options = { connection: { url: redis }, prefix: fleetNames(fleet).queuePrefix };
        return { queue: new Queue(name, options), events: new QueueEvents(name, options) };
      });
      onTestFinished(async () => {
        for (const { queue, events } of producers) await Promise.all([queue.close(), events.close()]);
      });
      const values = producers.map(async ({ queue, events }) => {
        queue.setMaxListeners(0);
        await events.waitUntilReady();
        const keys = Array.from({ length: 60 }, (_, row) => `${queue.name}-${row}`);
        const jobs = await queue.addBulk(
          keys.map((key) => ({ name: "row", data: { id: key, prompt: `about #${key}` } })),
        );
        return Promise.all(jobs.map(async (job) => (await job.waitUntilFinished(events)).text));
      });
      await until("calls in flight", () => project.backend.requests() > 30 && project.backend.inFlight > 4);
      doomed.signal(signal);
      const texts = (await Promise.all(values)).flat();
      expect(texts).toEqual(
        ["lab", "inbox"].flatMap((name) => Array.from({ length: 60 }, (_, row) => `answer to ${name}-${row}`)),
      );
    },
    60_000,
  );

  it("with another definition of a tier is refused with the difference; --replace-config announces it", async () => {
    const { project, work, fleet } = await given({});
    await work();
    const other = JSON.parse(readFileSync(project.path("models.json"), "utf8"));
    other.tiers.lab.baseUrl = "http://127.0.0.1:9/v1";
    const otherConfig = project.write("other.json", JSON.stringify(other));
    const shared = ["work", "--redis", redis, "--fleet", fleet, "--config", otherConfig];
    const refused = await project.start(shared, { bare: true }).ended;
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("tier lab is worked by another process");
    expect(refused.stderr).toContain("http://127.0.0.1:9/v1");
    expect(refused.stderr).toContain(project.backend.baseUrl);
    expect(refused.stderr.trimEnd().split("\n").length).toBe(1);

    const announced = project.start([...shared, "--replace-config"], { bare: true });
    await until("it to work", () => announced.stderr().includes("working lab"));
    const definition = await server.client.hget(fleetNames(fleet).tierDefinitions, "lab");
    expect(definition).toContain("http://127.0.0.1:9/v1");
    announced.signal("SIGTERM");
    expect(await announced.ended).toMatchObject({ code: 0 });
  });

  it("refuses tiers that it cannot work, and to work without knowing where", async () => {
    const { project, fleet } = await given({});
    const unknown = await project.start(["work", "--redis", redis, "--fleet", fleet, "--tiers", "lap"]).ended;
    expect(unknown).toMatchObject({ code: 1, stdout: "" });
    expect(unknown.stderr).toMatch(/^promptfleet: cannot work tier lap: there is no tier lap\n$/);
    const nowhere = await project.start(["work", "--config", project.path("models.json")], { bare: true }).ended;
    expect(nowhere).toMatchObject({ code: 1, stdout: "" });
    expect(nowhere.stderr).toMatch(/--redis URL/);
  });

  it("works only the tiers it is told, and takes its part of the concurrency it is told", async () => {
    const { project, work, feed } = await given({ rows: 60, backend: { latencyMs: 20 }, concurrency: 16 });
    await work("--tiers", "lab", "--concurrency", "lab=3");
    expect(await feed().ended).toMatchObject({ code: 0 });
    expect(project.backend.peakInFlight).toBe(3);
  });
});
