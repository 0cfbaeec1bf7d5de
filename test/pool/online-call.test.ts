import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { givenBackend } from "../support/given-backend.ts";
import { givenOnline } from "../support/given-online.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";

const server = withRedis();

const about = (key: string) => ({ prompt: `say something about #${key}` });
const rows = (count: number) => Array.from({ length: count }, (_, at) => about(`b${at}`));

describe("an online call", () => {
  it("is answered as a row of a batch would be, and says how it was", async () => {
    const lab = await givenBackend();
    const { ask } = await givenOnline(server, { lab });
    const texts: string[] = [];
    const end = await ask({ ...about("a"), id: "mine" }, { onText: (text) => texts.push(text) });
    expect(end).toMatchObject({
      kind: "answered",
      result: { id: "mine", status: "answered", text: "answer to a", model: "on-lab", task: "simple", attempts: 1 },
    });
    expect(texts.join("")).toBe("answer to a");
  });

  it("starts at once while a batch keeps all its slots of the tier busy, and takes no more than there are", async () => {
    const lab = await givenBackend({ latencyMs: 60_000 });
    const { ask, batch } = await givenOnline(server, { lab }, { tiers: { lab: { concurrency: 4 } } });
    await batch(rows(20));
    await until("the batch to have all slots but one", () => lab.inFlight === 3);
    const caller = new AbortController();
    const asked = ask(about("now"), { signal: caller.signal });
    await until("the online call to be there", () => lab.countsByKey.get("now") === 1);
    expect(lab.peakInFlight).toBe(4);
    caller.abort();
    expect(await asked).toMatchObject({ kind: "cancelled" });
    await until("the backend to see that its caller has left", () => lab.inFlight === 3);
  });

  it("costs no slot where none are served online, and still goes before rows that wait", async () => {
    const order: string[] = [];
    const lab = await givenBackend({ latencyMs: 300, answer: ({ key }) => `answer ${order.push(key)}` });
    const config = { tiers: { lab: { concurrency: 4 } } };
    const { ask, batch } = await givenOnline(server, { lab }, config, { servesOnline: false });
    await batch(rows(40));
    await until("the batch to have all slots", () => lab.inFlight === 4);
    const before = lab.requests();
    expect(await ask(about("now"))).toMatchObject({ kind: "answered" });
    expect(order.indexOf("now")).toBeLessThan(before + 8);
  });

  it("goes beside what was found to be enough, where concurrency is found", async () => {
    const lab = await givenBackend({ latencyMs: 60_000 });
    const { ask, batch } = await givenOnline(server, { lab }, { tiers: { lab: { concurrency: "auto" } } });
    await batch(rows(40));
    await until("the batch to have all slots", () => lab.inFlight === 8);
    void ask(about("now"));
    await until("the online call to be there", () => lab.countsByKey.get("now") === 1);
    expect(lab.inFlight).toBeGreaterThanOrEqual(9);
  });

  it("has one of the calls that a tier allows to the fleet kept for it", async () => {
    const lab = await givenBackend({ latencyMs: 60_000 });
    const config = { tiers: { lab: { concurrency: 8, maxConcurrency: 4 } } };
    const { ask, batch } = await givenOnline(server, { lab }, config);
    await batch(rows(20));
    await until("the batch to have all slots but one", () => lab.inFlight === 3);
    void ask(about("now"));
    await until("the online call to be there", () => lab.countsByKey.get("now") === 1);
    expect(lab.peakInFlight).toBe(4);
  });

  it("waits no longer than one request's time for a limit that a batch uses up", async () => {
    const lab = await givenBackend();
    const { fleet, ask, batch } = await givenOnline(server, { lab }, { tiers: { lab: { limits: { rpm: 60 } } } });
    await batch(rows(20));
    await until("the batch to be paced", () => lab.requests() > 0);
    await until("a request to be kept", () => fleet.redis.hexists(fleet.names.pace("lab"), "keptSince"));
    // What was charged before is out of the window.
    await fleet.redis.hset(fleet.names.pace("lab"), "keptSince", 1);
    await until("a start to be handed out ahead", async () => {
      const at = Number(await fleet.redis.hget(fleet.names.pace("lab"), "requests"));
      return at > Date.now() + 1_100;
    });
    const startedMs = performance.now();
    expect(await ask(about("now"))).toMatchObject({ kind: "answered" });
    expect(performance.now() - startedMs).toBeLessThan(900);
  });

  it("goes along its route at once where a tier is down, and says so where all are", async () => {
    const lab = await givenBackend({ fault: { kind: "status", status: 401 } });
    const spare = await givenBackend();
    const tasks = { simple: { primary: "on-lab", fallback: ["on-spare"] }, lonely: { primary: "on-lab" } };
    const { ask } = await givenOnline(server, { lab, spare }, { tasks });
    for (let call = 0; call < 3; call++) {
      expect(await ask(about(`s${call}`))).toMatchObject({ kind: "answered", result: { tier: "spare" } });
    }
    const end = await ask({ ...about("l"), task: "lonely" });
    expect(end).toMatchObject({ kind: "down", retryAfterMs: expect.any(Number), result: { status: "failed" } });
    expect(lab.requests()).toBeLessThan(4);
  });

  it("never takes a private row to a cloud, also when all that is local is down", async () => {
    const lab = await givenBackend({ fault: { kind: "status", status: 401 } });
    const cloud = await givenBackend();
    const { ask } = await givenOnline(
      server,
      { lab, cloud },
      {
        tiers: { cloud: { location: "cloud" } },
        tasks: {
          simple: { primary: "on-cloud" },
          secret: { primary: "on-lab", fallback: ["on-cloud"], private: true },
        },
      },
    );
    expect(await ask({ ...about("p"), private: true, task: "secret" })).toMatchObject({ kind: "down" });
    expect(await ask({ ...about("p"), task: "secret" })).toMatchObject({ kind: "down" });
    expect(await ask({ ...about("p"), private: true })).toMatchObject({
      kind: "failed",
      result: { error: { code: "policy_refused" } },
    });
    expect(cloud.requests()).toBe(0);
  });

  it("is on record before it is made", async () => {
    let seen = "";
    let directory = "";
    const lines = () =>
      readdirSync(directory, { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".jsonl"))
        .map((name) => readFileSync(join(directory, name), "utf8"))
        .join("");
    const lab = await givenBackend({
      answer: () => {
        seen = lines();
        return "yes";
      },
    });
    const given = await givenOnline(server, { lab });
    directory = given.dataDirectory;
    expect(await given.ask(about("a"))).toMatchObject({ kind: "answered" });
    expect(seen).toContain(`"batch":"online-${given.fleet.processId}"`);
    expect(seen).toContain('"tier":"lab"');
    expect(seen).not.toContain("say something");
  });

  it("is counted in the budget of the day, and refused when that is spent", async () => {
    const lab = await givenBackend();
    const price = { inputPerMTok: 1_000, outputPerMTok: 1_000 };
    const { ask, fleet } = await givenOnline(
      server,
      { lab },
      {
        tiers: { lab: { dailyBudgetUsd: 1 } },
        models: { "on-lab": { tier: "lab", model: "simulated-model", maxOutputTokens: 100, price } },
      },
    );
    const spend = async () => {
      const sums = await fleet.redis.hgetall(fleet.names.spend("lab"));
      const of = (what: string) => Number(Object.entries(sums).find(([field]) => field.endsWith(what))?.[1] ?? 0);
      return { spent: of(":spent"), reserved: of(":reserved") };
    };
    const end = await ask(about("a"));
    expect(end.result.cost_usd).toBeGreaterThan(0.01);
    await until("the call to be settled", async () => (await spend()).spent > 0);
    const { spent, reserved } = await spend();
    expect(spent / 1e9).toBeCloseTo(end.result.cost_usd, 6);
    expect(reserved).toBe(0);
    const dear = await ask({ ...about("b"), max_tokens: 5_000 });
    expect(dear).toMatchObject({ kind: "throttled", result: { error: { code: "budget_exhausted" } } });
    expect(lab.countsByKey.get("b")).toBeUndefined();
  });

  it("is told soon when Redis, which keeps the limits of its tier, is away, and needs no Redis without limits", async () => {
    const lab = await givenBackend();
    const free = await givenBackend();
    const { ask, fleet } = await givenOnline(server, { lab, free }, { tiers: { lab: { limits: { rpm: 6_000 } } } });
    for (const model of ["on-lab", "on-free"])
      expect(await ask({ ...about("a"), model })).toMatchObject({ kind: "answered" });
    server.signal("SIGSTOP");
    const asked = ask({ ...about("b"), model: "on-lab" });
    expect(await ask({ ...about("b"), model: "on-free" })).toMatchObject({ kind: "answered" });
    expect(await asked).toMatchObject({
      kind: "down",
      result: { error: { message: expect.stringContaining("Redis") } },
    });
    server.signal("SIGCONT");
    await until("the turn that came late to be settled", async () => (await fleet.redis.ping()) === "PONG");
    expect(await ask({ ...about("c"), model: "on-lab" })).toMatchObject({ kind: "answered" });
    expect(lab.countsByKey.get("b")).toBeUndefined();
  });

  it("is asked by a process that leaves the queues to others, beside the calls of their pools", async () => {
    const lab = await givenBackend({ latencyMs: 60_000 });
    const fleet = server.newFleetName();
    const config = { tiers: { lab: { concurrency: 4 } } };
    const worker = await givenOnline(server, { lab }, config, { fleet, servesOnline: false });
    await worker.batch(rows(20));
    await until("the pools to have all slots", () => lab.inFlight === 4);
    const asker = await givenOnline(server, { lab }, config, { fleet, worksQueues: false });
    void asker.ask(about("now"));
    await until("the online call to be there", () => lab.countsByKey.get("now") === 1);
    await asker.fleet.redis.ping();
    expect(lab.inFlight).toBe(5);
    expect(worker.fleet.processes().get(asker.fleet.processId)?.tiers ?? {}).toEqual({});
  });

  it("goes past a tier whose queue somebody has paused", async () => {
    const lab = await givenBackend();
    const spare = await givenBackend();
    const tasks = { simple: { primary: "on-lab", fallback: ["on-spare"] }, lonely: { primary: "on-lab" } };
    const { ask, fleet } = await givenOnline(server, { lab, spare }, { tasks });
    await fleet.startPool("lab");
    await fleet.queues.of("lab").pause();
    await until("the pause to be known", () => fleet.pools()[0]?.pool.isQueuePaused());
    expect(await ask(about("a"))).toMatchObject({ kind: "answered", result: { tier: "spare" } });
    expect(await ask({ ...about("a"), task: "lonely" })).toMatchObject({ kind: "down" });
    expect(lab.requests()).toBe(0);
  });

  it("is waited for by a process that stops, and nothing is asked after that", async () => {
    const lab = await givenBackend({ latencyMs: 300 });
    const { ask, fleet } = await givenOnline(server, { lab });
    const asked = ask(about("a"));
    await until("the call to be made", () => lab.inFlight === 1);
    await fleet.leave(true);
    expect(await asked).toMatchObject({ kind: "answered" });
    expect(await ask(about("b"))).toMatchObject({ kind: "down" });
    expect(lab.countsByKey.get("b")).toBeUndefined();
  });

  it("ends with words of the caller's own mistake", async () => {
    const lab = await givenBackend();
    const { ask } = await givenOnline(server, { lab });
    for (const [row, words] of [
      [{ prompt: "x", task: "simpel" }, "simple"],
      [{ promt: "x" }, "prompt"],
      [{ prompt: "x", images: ["secret.png"] }, "images"],
    ] as const) {
      expect(await ask(row)).toMatchObject({
        kind: "failed",
        result: { error: { code: "invalid_row", message: expect.stringContaining(words) } },
      });
    }
    expect(lab.requests()).toBe(0);
  });
});
