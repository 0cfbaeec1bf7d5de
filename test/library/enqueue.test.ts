import { beforeAll, describe, expect, it } from "vitest";
import { withRedis } from "../support/redis-server.ts";
import { givenFleet } from "./given-fleet.ts";

const server = withRedis();
let redis: string;
beforeAll(async () => {
  redis = await server.listenOnPort();
});

describe("enqueue", () => {
  it("resolves with the answer, its model, tier, usage and metadata", async () => {
    const { open } = await givenFleet();
    const fleet = await open({ redis, fleet: server.newFleetName() });
    const row = { id: "a", task: "simple", prompt: "about #a", metadata: { page: 7 } };
    const { id, result } = fleet.enqueue(row);
    expect(id).toBe("a");
    expect(await result).toMatchObject({
      id: "a",
      task: "simple",
      status: "answered",
      text: "answer to a",
      model: "small",
      tier: "lab",
      finish_reason: "stop",
      usage: { input_tokens: 20, output_tokens: 5 },
      error: null,
      metadata: { page: 7 },
    });
  });

  it("sends what the row says: messages, system prompt and options", async () => {
    const bodies: Record<string, unknown>[] = [];
    const { open } = await givenFleet({ answer: ({ body }) => `saw ${bodies.push(body)}` });
    const fleet = await open({ redis, fleet: server.newFleetName() });
    const options = { system: "be brief", max_tokens: 9, temperature: 0.5, top_p: 0.9, stop: "END", seed: 3 };
    await fleet.enqueue({ prompt: "about #a", ...options }).result;
    expect(bodies[0]).toMatchObject({
      messages: [
        { role: "system", content: "be brief" },
        { role: "user", content: "about #a" },
      ],
      max_tokens: 9,
      temperature: 0.5,
      top_p: 0.9,
      seed: 3,
    });
    const messages = [{ role: "user", content: "about #b" }];
    await fleet.enqueue({ messages }).result;
    expect(bodies[1]).toMatchObject({ messages });
  });

  it("numbers rows without an id, and keeps the order of the ids it gives", async () => {
    const { open } = await givenFleet();
    const fleet = await open({ redis, fleet: server.newFleetName() });
    const queued = ["x", "y", "z"].map((key) => fleet.enqueue({ prompt: `about #${key}` }));
    expect(queued.map(({ id }) => id)).toEqual(["1", "2", "3"]);
    const results = await Promise.all(queued.map(({ result }) => result));
    expect(results.map(({ id, text }) => [id, text])).toEqual([
      ["1", "answer to x"],
      ["2", "answer to y"],
      ["3", "answer to z"],
    ]);
  });

  it("answers two rows of the same id each once: ids are the caller's", async () => {
    const { open, backend } = await givenFleet();
    const fleet = await open({ redis, fleet: server.newFleetName() });
    const both = [1, 2].map(() => fleet.enqueue({ id: "same", prompt: "about #same" }).result);
    expect((await Promise.all(both)).map(({ status }) => status)).toEqual(["answered", "answered"]);
    expect(backend.countsByKey.get("same")).toBe(2);
  });

  it("resolves, not rejects, with a failed result for a row that cannot be asked", async () => {
    const { open, backend } = await givenFleet();
    const fleet = await open({ redis, fleet: server.newFleetName() });
    const failures = await Promise.all([
      fleet.enqueue({ id: "no-prompt", metadata: { page: 7 } }).result,
      fleet.enqueue({ id: "no-task", task: "simpel", prompt: "hello" }).result,
      fleet.enqueue({ id: "no-model", model: "smal", prompt: "hello" }).result,
      fleet.enqueue(JSON.parse('{"id":"no-number","prompt":"hello","max_tokens":"many"}')).result,
    ]);
    expect(failures.map(({ id, status, error }) => [id, status, error?.code])).toEqual([
      ["no-prompt", "failed", "invalid_row"],
      ["no-task", "failed", "invalid_row"],
      ["no-model", "failed", "invalid_row"],
      ["no-number", "failed", "invalid_row"],
    ]);
    expect(failures[0]?.metadata).toEqual({ page: 7 });
    expect(failures[1]?.error?.message).toContain('did you mean "simple"');
    expect(backend.requests()).toBe(0);
    expect((await fleet.enqueue({ id: "good", prompt: "about #good" }).result).status).toBe("answered");
  });

  it("resolves with a failed result for a row that the backend rejects", async () => {
    const { open } = await givenFleet({ fault: { kind: "status", status: 400 } });
    const fleet = await open({ redis, fleet: server.newFleetName() });
    const result = await fleet.enqueue({ id: "a", prompt: "about #a" }).result;
    expect(result).toMatchObject({ status: "failed", error: { code: "rejected" }, tier: "lab" });
  });

  it("never sends a private row to a cloud tier", async () => {
    const { open, backend, cloud } = await givenFleet();
    const fleet = await open({ redis, fleet: server.newFleetName() });
    const results = await Promise.all([
      fleet.enqueue({ id: "own-mark", task: "big", private: true, prompt: "about #own-mark" }).result,
      fleet.enqueue({ id: "task-mark", task: "secret", model: "large", prompt: "about #task-mark" }).result,
      fleet.enqueue({ id: "local", task: "secret", prompt: "about #local" }).result,
      fleet.enqueue({ id: "public", task: "big", prompt: "about #public" }).result,
    ]);
    expect(results.map(({ error, tier }) => error?.code ?? tier)).toEqual([
      "policy_refused",
      "policy_refused",
      "lab",
      "cloud",
    ]);
    expect([...cloud.countsByKey.keys()]).toEqual(["public"]);
    expect([...backend.countsByKey.keys()]).toEqual(["local"]);
  });

  it("waits for a tier that is down, and answers when it is up", async () => {
    const { open, backend } = await givenFleet({ fault: { kind: "reset" } });
    const fleet = await open({ redis, fleet: server.newFleetName() });
    let settled = false;
    const waiting = fleet.enqueue({ id: "a", prompt: "about #a" }).result.finally(() => {
      settled = true;
    });
    await expect.poll(() => backend.requests(), { timeout: 15_000 }).toBeGreaterThan(1);
    expect(settled).toBe(false);
    backend.setBehaviour({ fault: undefined });
    expect((await waiting).text).toBe("answer to a");
  });
});
