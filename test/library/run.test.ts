import { beforeAll, describe, expect, expectTypeOf, it } from "vitest";
import { z } from "zod";
import type { Row } from "../../src/index.ts";
import { withRedis } from "../support/redis-server.ts";
import { until } from "../support/until.ts";
import { collect, givenFleet, rows } from "./given-fleet.ts";

const server = withRedis();
let redis: string;
beforeAll(async () => {
  redis = await server.listenOnPort();
});

describe("run", () => {
  it("yields one result a row, whatever its end, and asks each once", async () => {
    const { open, backend } = await givenFleet({ latencyMs: 5, sigma: 1 });
    const fleet = await open({ redis, fleet: server.newFleetName() });
    async function* mixed(): AsyncGenerator<Row> {
      for (const row of rows(600)) yield Number(row.id.slice(1)) % 50 === 7 ? { id: row.id } : row;
    }
    const results = await collect(fleet.run(mixed()));
    expect(results.length).toBe(600);
    expect(new Set(results.map(({ id }) => id)).size).toBe(600);
    expect(results.filter(({ status }) => status === "failed").length).toBe(12);
    const wrong = results.filter(({ id, status, text }) => status === "answered" && text !== `answer to ${id}`);
    expect(wrong).toEqual([]);
    expect(backend.requests()).toBe(588);
    expect(Math.max(...backend.countsByKey.values())).toBe(1);
  });

  it("runs two at once without mixing their results", async () => {
    const { open } = await givenFleet({ latencyMs: 2 });
    const fleet = await open({ redis, fleet: server.newFleetName() });
    const [first, second] = await Promise.all([collect(fleet.run(rows(100, "a"))), collect(fleet.run(rows(150, "b")))]);
    expect(first.filter(({ id }) => id.startsWith("a")).length).toBe(100);
    expect(second.filter(({ id }) => id.startsWith("b")).length).toBe(150);
    expect(first.length + second.length).toBe(250);
  });

  it("ends at once for a source without rows", async () => {
    const { open } = await givenFleet();
    const fleet = await open({ redis, fleet: server.newFleetName() });
    expect(await collect(fleet.run([]))).toEqual([]);
  });

  it("takes no more than 2,000 rows ahead of their answers from a source without end", async () => {
    const { open } = await givenFleet({ fault: { kind: "stall" } });
    const fleet = await open({ redis, fleet: server.newFleetName() });
    let taken = 0;
    function* endless() {
      for (;;) yield { id: `r${taken++}`, prompt: `about #r${taken}` };
    }
    const results = fleet.run(endless());
    const first = results.next().catch(() => "closed");
    await until("the fleet to take what it takes", () => taken >= 2_000);
    await server.client.ping();
    expect(taken).toBe(2_000);
    await fleet.close();
    expect(await first).toBe("closed");
  });

  it("takes no more rows while nobody takes the results, and ends the source when its reader leaves", async () => {
    const { open } = await givenFleet();
    const fleet = await open({ redis, fleet: server.newFleetName() });
    let taken = 0;
    let ended = false;
    function* endless() {
      try {
        for (;;) yield { id: `r${taken++}`, prompt: `about #r${taken}` };
      } finally {
        ended = true;
      }
    }
    for await (const { status } of fleet.run(endless())) {
      expect(status).toBe("answered");
      const takenBefore = taken;
      await fleet.enqueue({ prompt: "meanwhile #m" }).result;
      expect(taken).toBe(takenBefore);
      break;
    }
    expect(ended).toBe(true);
    expect(taken).toBeLessThanOrEqual(2_000);
  });

  it("yields results as they come, also while its source has no next row yet", async () => {
    const { open } = await givenFleet();
    const fleet = await open({ redis, fleet: server.newFleetName() });
    let answerSeen = (_text: string | null) => {};
    /** A conversation: each question is made from the answer before. */
    async function* conversation(): AsyncGenerator<Row> {
      let key = "start";
      for (let turn = 0; turn < 3; turn++) {
        const answer = new Promise<string | null>((resolve) => {
          answerSeen = resolve;
        });
        yield { id: `turn-${turn}`, prompt: `about #${key}` };
        key = (await answer)!.replaceAll(" ", "-");
      }
    }
    const texts: (string | null)[] = [];
    for await (const { text } of fleet.run(conversation())) {
      texts.push(text);
      answerSeen(text);
    }
    expect(texts).toEqual(["answer to start", "answer to answer-to-start", "answer to answer-to-answer-to-start"]);
  });

  it("throws what its source throws", async () => {
    const { open } = await givenFleet();
    const fleet = await open({ redis, fleet: server.newFleetName() });
    async function* breaking(): AsyncGenerator<Row> {
      yield* rows(3);
      throw new Error("the source broke");
    }
    await expect(collect(fleet.run(breaking()))).rejects.toThrow("the source broke");
  });
});

describe("a schema", () => {
  const schema = z.object({ stars: z.number().max(5) });
  const answers: Record<string, string> = {
    good: '{"stars": 4}',
    "not-json": "four stars",
    "wrong-type": '{"stars": "four"}',
    "too-many": '{"stars": 9}',
  };

  it("types `json`, and makes a failed result of an answer that does not fit", async () => {
    const { open } = await givenFleet({ answer: ({ key }) => answers[key] ?? "" });
    const fleet = await open({ redis, fleet: server.newFleetName() });
    const asked = Object.keys(answers).map((id) => ({ id, prompt: `about #${id}` }));
    const results = await collect(fleet.run(asked, { schema }));
    expectTypeOf(results[0]!.json).toEqualTypeOf<{ stars: number } | undefined>();
    const byId = new Map(results.map((result) => [result.id, result]));
    expect(byId.get("good")).toMatchObject({ status: "answered", json: { stars: 4 }, error: null });
    for (const id of ["not-json", "wrong-type", "too-many"]) {
      const result = byId.get(id)!;
      expect(result, id).toMatchObject({ status: "failed", error: { code: "invalid_answer" }, text: answers[id] });
      expect(result, id).not.toHaveProperty("json");
    }
  });

  it("is asked for, types `json` of one row too, and leaves to zod what JSON schema cannot say", async () => {
    const bodies: Record<string, unknown>[] = [];
    const { open } = await givenFleet({
      answer: ({ key, body }) => {
        bodies.push(body);
        return key === "odd" ? '{"stars": 3, "day": "2026-11-25"}' : '{"stars": 4, "day": "2026-11-25"}';
      },
    });
    const fleet = await open({ redis, fleet: server.newFleetName() });
    const even = z.object({
      stars: z.number().refine((stars) => stars % 2 === 0, "an even number"),
      day: z.string().transform((day) => new Date(day)),
    });
    const good = await fleet.enqueue({ prompt: "about #even", schema: even }).result;
    expectTypeOf(good.json).toEqualTypeOf<{ stars: number; day: Date } | undefined>();
    expect(good).toMatchObject({ status: "answered", json: { stars: 4, day: new Date("2026-11-25") } });
    const odd = await fleet.enqueue({ prompt: "about #odd", schema: even }).result;
    expect(odd).toMatchObject({ status: "failed", error: { code: "invalid_answer" } });
    expect(odd.error?.message).toContain("an even number");
    const untyped = await fleet.enqueue({ prompt: "about #even", schema: { type: "object" } }).result;
    expectTypeOf(untyped.json).toEqualTypeOf<unknown>();
    expect(untyped.json).toEqual({ stars: 4, day: "2026-11-25" });
    expect(bodies[0]?.response_format).toMatchObject({
      json_schema: { schema: { required: ["stars", "day"], additionalProperties: false }, strict: true },
    });
  });

  it("leaves a row that failed for another reason as it is", async () => {
    const { open } = await givenFleet();
    const fleet = await open({ redis, fleet: server.newFleetName() });
    const results = await collect(fleet.run([{ id: "empty" }], { schema }));
    expect(results.map(({ error }) => error?.code)).toEqual(["invalid_row"]);
  });
});
