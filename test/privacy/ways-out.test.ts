import { describe, expect, it } from "vitest";
import type { ConfigFile } from "../../src/config/schema.ts";
import { jobIdOf } from "../../src/queue/names.ts";
import { givenBackend, givenDeadBackend } from "../support/given-backend.ts";
import { givenFleetConfig } from "../support/given-config.ts";
import { type GivenRun, givenRows, startRun } from "../support/given-run.ts";
import { withRedis } from "../support/redis-server.ts";
import { startScriptedServer } from "../support/scripted-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const server = withRedis();

const provider = "openai-compatible";
const tiers = {
  lab: { provider, fallbackAfterMs: 0 },
  cloud: { provider, location: "cloud" },
} as const;
const tasks = {
  simple: { primary: "on-lab", fallback: ["on-cloud"] },
  secret: { primary: "on-lab", fallback: ["on-cloud"], private: true },
};

interface Given {
  readonly lab: { readonly baseUrl: string };
  readonly rows?: number;
  readonly more?: Partial<ConfigFile>;
  readonly folder?: string;
  readonly fleet?: string;
}

/** A run of private rows on a tier `lab`, beside a cloud that would take them at once; both SIMULATED. */
async function givenPrivateRun({ lab, rows = 1, more = {}, folder = temporaryFolder(), fleet }: Given) {
  const cloud = await givenBackend();
  const name = fleet ?? server.newFleetName();
  const config = givenFleetConfig(name, { lab, cloud }, { tiers, tasks, ...more });
  const run = await startRun({ server, config, folder, rows: givenRows(rows, { private: true }) });
  await run.fleet.startPool("cloud");
  return { run, cloud, fleet: name, folder };
}

const tierOf = ({ fleet }: GivenRun, tier: string) => fleet.pools().find(({ pool }) => pool.tier.name === tier)!.pool;
const isWaiting = (run: GivenRun) => until("the local tier to be down", () => tierOf(run, "lab").waitReason());

/** A job as somebody adds by hand who knows the names of a batch. */
async function addByHand({ fleet, batchId }: GivenRun, tier: string, hop: number, more: object = {}): Promise<string> {
  const jobId = jobIdOf(batchId, 0, 0, hop + 700);
  const labels = { batch: batchId, row: 0, generation: 0, hop, task: "simple", model: "on-cloud", ...more };
  await fleet.queues.of(tier).add("by-hand", labels, { jobId });
  return jobId;
}

const isDone = (run: GivenRun, tier: string, jobId: string) =>
  until(
    "the job to be worked",
    async () => (await (await run.fleet.queues.of(tier).getJob(jobId))?.getState()) === "completed",
  );

describe.concurrent("a private row", () => {
  it("waits for a local tier that is down, however soon others fall back, and is answered there", async () => {
    const lab = await givenDeadBackend();
    const { run, cloud } = await givenPrivateRun({ lab, rows: 20 });
    await isWaiting(run);
    // It has been looked at often enough to have moved.
    await until(
      "several tries",
      () => (tierOf(run, "lab").fallbackAtMs() ?? performance.now()) < performance.now() - 1_500,
    );
    expect(run.answered()).toBe(0);
    await lab.start();
    expect((await run.finish()).map(({ tier }) => tier)).toEqual(Array(20).fill("lab"));
    expect(cloud.requests()).toBe(0);
  });

  it.each([
    ["is too long for its model", "context_length_exceeded", "context_overflow"],
    ["is filtered", "content_filter", "content_filtered"],
  ])("that %s has no next model in a cloud", async (_what, code, ended) => {
    const body = JSON.stringify({ error: { message: "no", code } });
    const { run, cloud } = await givenPrivateRun({
      lab: await givenBackend({ fault: { kind: "status", status: 400, body } }),
    });
    expect((await run.finish())[0]?.error?.code).toBe(ended);
    expect(cloud.requests()).toBe(0);
  });

  it("that keeps erring is asked again where it is, not elsewhere", async () => {
    const lab = await givenBackend({ fault: ({ ask }) => (ask < 3 ? { kind: "status", status: 500 } : undefined) });
    const { run, cloud } = await givenPrivateRun({ lab });
    expect((await run.finish())[0]).toMatchObject({ status: "answered", tier: "lab" });
    expect(cloud.requests()).toBe(0);
  });

  it("whose tier became a cloud between two starts is refused, and not sent", async () => {
    const lab = await givenDeadBackend();
    const first = await givenPrivateRun({ lab });
    await isWaiting(first.run);
    await first.run.fleet.leave(false);
    await first.run.batch.stop();
    await first.run.fleet.close();
    const started = await lab.start();
    const edited = { ...tiers, lab: { provider, location: "cloud" } } as const;
    const { run } = await givenPrivateRun({ ...first, lab: started, more: { tiers: edited } });
    expect((await run.finish())[0]?.error?.code).toBe("policy_refused");
    expect(started.requests()).toBe(0);
  });

  it("is not sent by a job that somebody put into a cloud's queue", async () => {
    const lab = await givenDeadBackend();
    const { run, cloud } = await givenPrivateRun({ lab });
    await isWaiting(run);
    const jobId = await addByHand(run, "cloud", 0);
    await isDone(run, "cloud", jobId);
    expect(cloud.requests()).toBe(0);
    await lab.start();
    expect((await run.finish())[0]).toMatchObject({ status: "answered", tier: "lab" });
    expect(cloud.requests()).toBe(0);
  });

  it.each([
    ["its route", { route: ["on-cloud"] }],
    ["its mark, while its task is private", { route: ["on-cloud"], private: false, task: "secret" }],
  ])("is not sent to a cloud by who changes %s in Redis", async (_what, change) => {
    const lab = await givenDeadBackend();
    const { run, cloud } = await givenPrivateRun({ lab });
    await isWaiting(run);
    const keys = run.fleet.names.batch(run.batchId);
    const payload = JSON.parse((await server.client.hget(keys.payloads, "0"))!);
    await server.client.hset(keys.payloads, "0", JSON.stringify({ ...payload, ...change }));
    await addByHand(run, "cloud", 0);
    const [result] = await run.finish();
    expect(result?.error?.code).toBe("policy_refused");
    expect(cloud.requests()).toBe(0);
  });

  it('is not sent to the model that "auto" is when that runs elsewhere', async () => {
    const ollama = await startScriptedServer();
    ollama.play((request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(request.path === "/api/tags" ? { models: [{ name: "gpt-oss:120b-cloud" }] } : {}));
    });
    const models = { "on-lab": { tier: "lab", model: "auto" }, "on-cloud": { tier: "cloud", model: "m" } };
    const cloud = await givenBackend();
    const config = givenFleetConfig(
      server.newFleetName(),
      { lab: { baseUrl: ollama.origin }, cloud },
      { tasks, models, tiers: { ...tiers, lab: { provider: "ollama" } } },
    );
    const run = await startRun({ server, config, folder: temporaryFolder(), rows: givenRows(1, { private: true }) });
    const [result] = await run.finish();
    await ollama.close();
    expect(result?.error).toMatchObject({ code: "policy_refused", message: expect.stringContaining("in its cloud") });
    expect(ollama.received.map(({ path }) => path).filter((path) => path !== "/api/tags")).toEqual([]);
    expect(cloud.requests()).toBe(0);
  });
});

describe.concurrent("the text of a row", () => {
  it("lies in Redis beside its job and nowhere else, and goes when the row has its result", async () => {
    const lab = await givenDeadBackend();
    const { run, fleet } = await givenPrivateRun({ lab, rows: 5 });
    await isWaiting(run);
    const { payloads, results } = run.fleet.names.batch(run.batchId);
    expect(await keysThatHold("say something", fleet)).toEqual([payloads]);
    await lab.start();
    await until("the answers", () => run.answered() === 5);
    expect((await keysThatHold("say something", fleet)).filter((key) => key !== results)).toEqual([]);
    await run.finish();
    expect(await keysThatHold("answer to", fleet)).toEqual([]);
  });

  async function keysThatHold(text: string, fleet: string): Promise<string[]> {
    const found: string[] = [];
    for (const key of await server.client.keys(`{${fleet}}*`)) {
      if (JSON.stringify([key, await contentOf(key)]).includes(text)) found.push(key);
    }
    return found;
  }

  async function contentOf(key: string): Promise<unknown> {
    const { client } = server;
    switch (await client.type(key)) {
      case "hash":
        return client.hgetall(key);
      case "list":
        return client.lrange(key, "0", "-1");
      case "zset":
        return client.zrange(key, "0", "-1");
      case "set":
        return client.smembers(key);
      case "stream":
        return client.xrange(key, "-", "+");
      default:
        return client.get(key);
    }
  }
});
