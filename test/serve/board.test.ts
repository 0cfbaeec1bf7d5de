import { describe, expect, it } from "vitest";
import { givenRows } from "../support/given-run.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";
import { type BoardQueue, givenBoard } from "./given-board.ts";

const server = withRedis();

describe("the board's page", () => {
  it.each([
    ["/", "./"],
    ["/queue/lab?status=failed", "../"],
    ["/queue/lab/batch_1-0-0-0", "../../"],
  ])("at %s asks nobody else for anything, and finds its parts under any path of a proxy", async (path, base) => {
    const { get } = await givenBoard(server, []);
    const { status, headers, text } = await get(path, "read");
    expect([status, headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
    expect(text).not.toMatch(/https?:\/\//);
    expect(text).toContain(`<base href="${base}" /><script src="base.js"></script>`);
    expect(headers["content-security-policy"]).toContain(
      "default-src 'none';script-src 'self';style-src 'self' 'unsafe-inline'",
    );
    expect(headers["x-powered-by"]).toBeUndefined();
  });

  it("is found without the slash too", async () => {
    const { get } = await givenBoard(server, []);
    const { status, headers } = await get("?a=b");
    expect([status, headers.location]).toEqual([302, "queues/?a=b"]);
  });
});

describe("the jobs that the board shows", () => {
  it("say which row of which batch they are, and why they wait, but nothing of what it holds", async () => {
    const rows = [...givenRows(40), ...givenRows(2, { private: true }, "patient-")];
    const { fleet, queue } = await givenBoard(server, rows, { latencyMs: 60_000 });
    await until("rows to be asked", () => (fleet.pools()[0]?.pool.inFlight() ?? 0) > 0);
    await fleet.queues.of("lab").pause();
    const { jobs, counts, description } = await until("all rows to be there, with a reason", async () => {
      const seen = await queue("lab");
      return seen.jobs.length === 42 && seen.description !== undefined ? seen : undefined;
    });
    expect(description).toBe("its queue is paused");
    expect(counts.active).toBeGreaterThan(0);
    const byRow = new Map(jobs.map((job) => [job.data.row, job]));
    expect(byRow.get(39)).toMatchObject({
      name: "simple · row 39",
      data: {
        batch: "batch_1",
        row: 39,
        id: "r39",
        model: "on-lab",
        private: false,
        attempts: 0,
        waits: "its queue is paused",
      },
    });
    expect(byRow.get(41)!.data).toMatchObject({ row: 41, private: true });
    expect(JSON.stringify(jobs)).not.toMatch(/say something|patient/);
  });

  it("hide what a BullMQ producer sent and got", async () => {
    const { fleet, queue, get } = await givenBoard(server, []);
    const producer = fleet.queues.of("inbox");
    await producer.pause();
    await producer.add("row", { prompt: "the secret plan", task: "simple", system: "be secret", id: "mine" });
    await producer.add("row", { prompt: "the secret plan", private: true, id: "the secret id" });
    const { jobs } = await queue("inbox");
    expect(jobs.find(({ data }) => data.id === "mine")!.data).toEqual({
      from: "a BullMQ producer",
      id: "mine",
      task: "simple",
      private: false,
      hidden: ["prompt", "system"],
    });
    const one = await get(`/api/queues/inbox/${jobs[0]!.id}`);
    expect(JSON.stringify(jobs) + one.text).not.toContain("secret plan");
    expect(JSON.stringify(jobs) + one.text).not.toContain("secret id");
  });

  it("are found among the failed ones when their row has failed, with the reason but not the backend's words", async () => {
    const { batch, queue, get } = await givenBoard(server, [...givenRows(3), ...givenRows(2, {}, "bad")]);
    await batch.finished;
    const { jobs, counts } = await until("the failed jobs", async () => {
      const seen = await queue("lab", "failed");
      return seen.jobs.length === 2 ? seen : undefined;
    });
    expect(counts).toMatchObject({ completed: 3, failed: 2 });
    expect(jobs.map(({ failedReason }) => failedReason).sort()).toEqual([
      "rejected (row 3): every model of its route refused it",
      "rejected (row 4): every model of its route refused it",
    ]);
    const { text } = await get(`/api/queues/lab/${jobs[0]!.id}`);
    expect(JSON.parse(text).job.stacktrace).toEqual([]);
    expect(text).not.toContain("I will not");
  });
});

describe("what the board changes", () => {
  it("is nothing for who may only read, and says which role is needed", async () => {
    const { put, get, fleet } = await givenBoard(server, []);
    const { status, text } = await put("/api/queues/lab/pause", "submit");
    expect([status, JSON.parse(text).error.message]).toEqual([
      403,
      expect.stringContaining("needs a token with the role admin"),
    ]);
    expect(await fleet.queues.of("lab").isPaused()).toBe(false);
    const queues = JSON.parse((await get("/api/queues", "read")).text).queues as BoardQueue[];
    expect(queues.map(({ name, readOnlyMode }) => [name, readOnlyMode])).toEqual([
      ["lab", true],
      ["inbox", true],
      ["batches", true],
    ]);
  });

  it("pauses a tier's queue for an admin, and lets it go on", async () => {
    const run = await givenBoard(server, givenRows(200), { latencyMs: 20 });
    await until("the first answers", () => run.answered() > 0);
    expect((await run.put("/api/queues/lab/pause")).status).toBe(200);
    await until(
      "the pool to say why it waits",
      () => run.fleet.pools()[0]!.pool.waitReason() === "its queue is paused",
    );
    await until("what is in flight to end", () => run.fleet.pools()[0]!.pool.inFlight() === 0);
    const answered = run.answered();
    expect(answered).toBeLessThan(200);
    expect((await run.put("/api/queues/lab/resume")).status).toBe(200);
    await run.batch.finished;
    expect(run.answered()).toBe(200);
    await until("the pool to wait no more", () => run.fleet.pools()[0]!.pool.waitReason() === undefined);
  });

  it.each([
    "/api/queues/lab/empty",
    "/api/queues/lab/obliterate",
    "/api/queues/lab/promote",
    "/api/queues/lab/clean/completed",
    "/api/queues/lab/concurrency",
    "/api/queues/lab/batch_1-0-0-0/clean",
    "/api/queues/lab/batch_1-0-0-0/promote",
    "/api/queues/batches/pause",
  ])("is not %s, as the fleet keeps its jobs itself", async (path) => {
    const { put, fleet } = await givenBoard(server, []);
    const { status, text } = await put(path);
    expect([403, 405]).toContain(status);
    if (status === 403) expect(text).toContain("promptfleet keeps its queues itself");
    expect(await fleet.queues.of("batches").isPaused()).toBe(false);
  });

  it("has a failed row asked again by the fleet, and says why when that cannot be", async () => {
    const { batch, queue, put, retried, refuseRetries } = await givenBoard(server, givenRows(3, {}, "bad"));
    await batch.finished;
    const failed = () => queue("lab", "failed").then(({ jobs }) => jobs);
    const jobs = await until("the failed jobs", async () => ((await failed()).length === 3 ? failed() : undefined));
    const first = jobs.find(({ data }) => data.row === 1)!;
    expect((await put(`/api/queues/lab/${first.id}/retry`)).status).toBe(204);
    expect(retried).toEqual(["batch_1-1"]);
    expect((await failed()).map(({ data }) => data.row).sort()).toEqual([0, 2]);

    refuseRetries("the output of batch_1 is final");
    const left = (await failed())[0]!;
    const { status, text } = await put(`/api/queues/lab/${left.id}/retry`);
    expect([status, JSON.parse(text).message]).toEqual([409, "the output of batch_1 is final"]);
    expect(await failed()).toHaveLength(2);
  });

  it("has all failed rows of a queue asked again, and no answered one", async () => {
    const { batch, queue, put, retried } = await givenBoard(server, [...givenRows(2), ...givenRows(3, {}, "bad")]);
    await batch.finished;
    await until("the failed jobs", async () => (await queue("lab", "failed")).jobs.length === 3);
    expect(JSON.parse((await put("/api/queues/lab/retry/failed")).text)).toEqual({ retried: 3, skipped: 0 });
    expect([...retried].sort()).toEqual(["batch_1-2", "batch_1-3", "batch_1-4"]);
    const { text, status } = await put("/api/queues/lab/retry/completed");
    expect([status, text]).toEqual([409, expect.stringContaining("what was answered is not asked again")]);
  });

  it("takes a producer's failed job up again as BullMQ does", async () => {
    const { fleet, queue, put } = await givenBoard(server, []);
    const producer = fleet.queues.of("lab");
    await until("the pool to be there", () => fleet.startPool("lab").then(() => true));
    await producer.add("row", { prompt: "a plan" });
    await until("it to be done", async () => (await producer.getCompletedCount()) === 1);
    const [job] = (await queue("lab", "completed")).jobs;
    expect((await put(`/api/queues/lab/${job!.id}/retry`)).status).toBe(204);
    await until("it to be done again", async () => (await producer.getJob(job!.id))?.attemptsStarted === 2);
  });
});
