import { describe, expect, it } from "vitest";
import type { ConsensusRule } from "../../src/job/consensus.ts";
import { givenBackend } from "../support/given-backend.ts";
import { givenRows } from "../support/given-run.ts";
import { configOf, runToEnd, says, twoOfThree } from "../support/given-votes.ts";
import { withRedis } from "../support/redis-server.ts";
import type { SimulatedBackend } from "../support/simulated-backend.ts";

const server = withRedis();

describe.concurrent("a private row", () => {
  const cloud = { provider: "openai-compatible", location: "cloud" } as const;
  const privately = (more: Partial<ConsensusRule> = {}) =>
    givenRows(5, { private: true, consensus: { ...twoOfThree, ...more } });
  const location = "local" as const;
  const local = (backend: SimulatedBackend) => ({ baseUrl: backend.baseUrl });

  it("is asked of local models only, as long as they can reach the threshold", async () => {
    const [a, b, c] = [await says("x"), await says("x"), await says("x")];
    const config = configOf(
      server,
      { a: local(a), b: local(b), c },
      { tiers: { a: { location }, b: { location }, c: cloud } },
    );
    const [result] = await runToEnd(server, config, privately());
    expect(result).toMatchObject({
      status: "answered",
      consensus: {
        share: 0.666667,
        votes: [{}, {}, { model: "on-c", attempts: 0, error: { code: "policy_refused" } }],
      },
    });
    expect(c.requests()).toBe(0);
  });

  it("fails closed when they cannot, and says so", async () => {
    const [a, b, c] = [await says("x"), await says("x"), await says("x")];
    const config = configOf(server, { a, b, c }, { tiers: { a: { location }, b: cloud, c: cloud } });
    const [result] = await runToEnd(server, config, privately());
    expect(result!.error).toEqual({
      code: "policy_refused",
      message:
        "expected models that can reach the consensus of 0.66, found only on-a that may be asked (on-b: private, and tier b is not local; on-c: private, and tier c is not local)",
    });
    expect(a.requests() + b.requests() + c.requests()).toBe(0);
  });

  it("is shown to no judge and no stronger model that is not local", async () => {
    const [a, b, c] = [await says("x"), await says("y"), await says("x")];
    const config = configOf(server, { a, b, c }, { tiers: { a: { location }, b: { location }, c: cloud } });
    const [result] = await runToEnd(
      server,
      config,
      privately({ models: ["on-a", "on-b"], judge: "on-c", escalate: "on-c" }),
    );
    expect(result!.error).toEqual({
      code: "no_consensus",
      message:
        "the largest share for one answer is 50 %, needed are 66 %; the judge on-c: on-c: private, and tier c is not local; on-c, asked to decide: on-c: private, and tier c is not local",
    });
    expect(c.requests()).toBe(0);
  });
});

describe.concurrent("where words differ", () => {
  it("a judge is asked, and the result says so", async () => {
    const [a, b, c] = [await says("Bern"), await says("It is Bern"), await says("Zürich")];
    const judge = await givenBackend({ answer: () => '{"groups":[[1,2],[3]]}' });
    const results = await runToEnd(
      server,
      configOf(server, { a, b, c, judge }),
      givenRows(5, { consensus: { ...twoOfThree, judge: "on-judge" } }),
    );
    expect(results[4]).toMatchObject({
      status: "answered",
      text: "Bern",
      attempts: 4,
      consensus: {
        by: "judge",
        votes: [{ agreed: true }, { agreed: true }, { agreed: false }, { role: "judge", agreed: false }],
      },
    });
    expect(judge.requests()).toBe(5);
  });

  it("a judge that answers nonsense twice makes no agreement", async () => {
    const [a, b, c] = [await says("Bern"), await says("It is Bern"), await says("Zürich")];
    const judge = await givenBackend({ answer: () => "They agree." });
    const [result] = await runToEnd(
      server,
      configOf(server, { a, b, c, judge }),
      givenRows(1, { consensus: { ...twoOfThree, judge: "on-judge" } }),
    );
    expect(result!.error!.message).toMatch(/the judge on-judge: invalid_answer$/);
    expect(result!.consensus!.votes.at(-1)).toMatchObject({
      role: "judge",
      error: { code: "invalid_answer" },
      attempts: 2,
    });
  });

  it("a stronger model decides, once the others do not agree", async () => {
    const [a, b] = [await says("yes"), await says("no")];
    const c = await givenBackend({ answer: ({ key }) => (key === "r1" ? "no" : "yes") });
    const two: ConsensusRule = { models: ["on-a", "on-b"], threshold: 0.5, escalate: "on-c" };
    const results = await runToEnd(
      server,
      configOf(server, { a, b, c }),
      givenRows(3, { consensus: two, choices: ["yes", "no"] }),
    );
    expect(results.map(({ text, model }) => [text, model])).toEqual([
      ["yes", "on-c"],
      ["no", "on-c"],
      ["yes", "on-c"],
    ]);
    expect(results[1]!.consensus).toMatchObject({
      by: "escalation",
      share: 0.5,
      votes: [{ agreed: false }, { agreed: true }, { role: "escalation", agreed: true }],
    });
  });
});
