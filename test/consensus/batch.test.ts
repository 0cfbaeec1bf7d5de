import { describe, expect, it } from "vitest";
import type { ConsensusRule } from "../../src/job/consensus.ts";
import { givenBackend, givenDeadBackend } from "../support/given-backend.ts";
import { type GivenRow, givenRows, startRun } from "../support/given-run.ts";
import { configOf, runToEnd, says, twoOfThree } from "../support/given-votes.ts";
import { withRedis } from "../support/redis-server.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const server = withRedis();

describe.concurrent("rows that three models are asked", () => {
  it("have the answer that two of three gave; usage, cost and attempts are the sums", async () => {
    const [a, b, c] = [await says("Bern"), await says(" bern. "), await says("Zürich")];
    const models = Object.fromEntries(
      ["a", "b", "c"].map((tier) => [
        `on-${tier}`,
        { tier, model: "simulated-model", price: { inputPerMTok: 1, outputPerMTok: 2 } },
      ]),
    );
    const results = await runToEnd(
      server,
      configOf(server, { a, b, c }, { models }),
      givenRows(40, { consensus: twoOfThree }),
    );
    expect(results[7]).toMatchObject({
      id: "r7",
      index: 7,
      status: "answered",
      text: "Bern",
      model: "on-a",
      usage: { input_tokens: 60, output_tokens: 15 },
      attempts: 3,
      error: null,
      consensus: {
        agreed: true,
        share: 0.666667,
        by: "text",
        votes: [
          { model: "on-a", text: "Bern", agreed: true, attempts: 1 },
          { model: "on-b", text: " bern. ", agreed: true, attempts: 1 },
          { model: "on-c", text: "Zürich", agreed: false, attempts: 1 },
        ],
      },
    });
    expect(results[7]!.cost_usd).toBeCloseTo(3 * 0.00003, 8);
    expect(results.every(({ status }) => status === "answered")).toBe(true);
    expect([a, b, c].map((backend) => backend.requests())).toEqual([40, 40, 40]);
  });

  it("fail as no_consensus, with all answers, when all are different", async () => {
    const [a, b, c] = [await says("yes"), await says("no"), await says("perhaps")];
    const rows = givenRows(3, { consensus: twoOfThree, choices: ["yes", "no", "perhaps"] });
    const [result] = await runToEnd(server, configOf(server, { a, b, c }), rows);
    expect(result).toMatchObject({
      status: "failed",
      text: null,
      model: null,
      error: { code: "no_consensus", message: "the largest share for one answer is 33.3 %, needed are 66 %" },
      consensus: { agreed: false, by: "label", votes: [{ text: "yes" }, { text: "no" }, { text: "perhaps" }] },
    });
  });

  it("stand beside rows that one model is asked, each at its place", async () => {
    const backend = await givenBackend();
    const rows = Array.from(
      { length: 300 },
      (_, row): GivenRow => ({ id: `r${row}`, ...(row % 3 === 0 ? { consensus: twoOfThree } : {}) }),
    );
    const results = await runToEnd(server, configOf(server, { a: backend, b: backend, c: backend }), rows);
    expect(results.filter(({ consensus }) => consensus !== undefined).length).toBe(100);
    expect(results.every(({ id, text }) => text === `answer to ${id}`)).toBe(true);
    expect(backend.requests()).toBe(200 + 300);
  });

  it("have the agreement of the others when one fails, and not when two do", async () => {
    const refusal = { kind: "status", status: 400, body: '{"error":{"message":"no such thing"}}' } as const;
    const [a, b] = [await says("x"), await says("x")];
    const c = await givenBackend({ fault: refusal });
    const both = await givenBackend({ fault: refusal });
    const [one] = await runToEnd(server, configOf(server, { a, b, c }), givenRows(1, { consensus: twoOfThree }));
    expect(one).toMatchObject({
      status: "answered",
      consensus: { votes: [{}, {}, { error: { code: "rejected" }, text: null }] },
    });
    const [other] = await runToEnd(
      server,
      configOf(server, { a, b: both, c }),
      givenRows(1, { consensus: twoOfThree }),
    );
    expect(other).toMatchObject({
      status: "failed",
      error: { code: "no_consensus", message: expect.stringMatching(/no vote of on-b, on-c$/) },
    });
  });
});

describe.concurrent("with economy", () => {
  const economy: ConsensusRule = { ...twoOfThree, economy: true };

  it("the third model is asked only where two do not agree", async () => {
    const [a, c] = [await givenBackend(), await givenBackend()];
    const b = await givenBackend({ answer: ({ key }) => (key.endsWith("0") ? "something else" : `answer to ${key}`) });
    const results = await runToEnd(server, configOf(server, { a, b, c }), givenRows(200, { consensus: economy }));
    expect(results.every(({ status, id, text }) => status === "answered" && text === `answer to ${id}`)).toBe(true);
    expect([a, b, c].map((backend) => backend.requests())).toEqual([200, 200, 20]);
    expect(results[1]!.consensus!.votes[2]).toMatchObject({ model: "on-c", text: null, attempts: 0, error: null });
  });
});

describe.concurrent("a slow model", () => {
  /** It takes calls, and answers none of them before it has slots. */
  const slow = (answer: string) => givenBackend({ slots: 0, answer: () => answer });
  const awake = { slots: Number.POSITIVE_INFINITY };

  it("is waited for by rows that the others have settled, so that its vote shows, and by no other row", async () => {
    const [a, b, c] = [await says("Bern"), await says("bern"), await slow("Zürich")];
    const rows = [...givenRows(10, { consensus: twoOfThree }), ...givenRows(50, {}, "plain")];
    const config = configOf(server, { a, b, c });
    const started = await startRun({ server, config, folder: temporaryFolder(), rows });
    await until("all but its own answers", () => started.answered() === 50 && c.inFlight === 10);
    expect([a.requests(), b.requests()]).toEqual([60, 10]);
    c.setBehaviour(awake);
    const results = await started.finish();
    expect(results[9]).toMatchObject({
      text: "Bern",
      consensus: { share: 0.666667, votes: [{}, {}, { text: "Zürich", agreed: false, attempts: 1 }] },
    });
  });

  it("is not waited for with economy, but where the others differ and it decides", async () => {
    const [a, c] = [await says("Bern"), await slow("Bern")];
    const b = await givenBackend({ answer: ({ key }) => (key === "r7" ? "Zürich" : "Bern") });
    const rows = givenRows(20, { consensus: { ...twoOfThree, economy: true } });
    const config = configOf(server, { a, b, c });
    const started = await startRun({ server, config, folder: temporaryFolder(), rows });
    await until("the rows that the others have settled", () => started.answered() === 19 && c.inFlight === 1);
    c.setBehaviour(awake);
    const results = await started.finish();
    expect(results[7]!.consensus!.votes).toMatchObject([{ agreed: true }, { agreed: false }, { agreed: true }]);
    expect(c.requests()).toBe(1);
  });
});

describe.concurrent("a model that is down", () => {
  const down = { provider: "openai-compatible", fallbackAfterMs: 500 } as const;

  it("is not waited for once the others have settled the outcome and it was down for long enough", async () => {
    const [a, b] = [await says("x"), await says("x")];
    const c = await givenDeadBackend();
    const config = configOf(server, { a, b, c }, { tiers: { c: down } });
    const rows = givenRows(100, { consensus: twoOfThree });
    const started = await startRun({ server, config, folder: temporaryFolder(), rows });
    const results = await started.finish();
    expect(results.every(({ status }) => status === "answered")).toBe(true);
    expect(results[0]!.consensus!.votes[2]).toMatchObject({ text: null, attempts: 0 });
  });

  it("is replaced by the next with economy", async () => {
    const [b, c] = [await says("x"), await says("x")];
    const a = await givenDeadBackend();
    const rows = givenRows(20, { consensus: { ...twoOfThree, economy: true } });
    const started = await startRun({
      server,
      config: configOf(server, { a, b, c }, { tiers: { a: down } }),
      folder: temporaryFolder(),
      rows,
    });
    const results = await started.finish();
    expect(results.every(({ status }) => status === "answered")).toBe(true);
  });

  it("is waited for where it can still decide, and lets others pass", async () => {
    const [a, b] = [await says("x"), await says("y")];
    const c = await givenDeadBackend();
    const rows = [...givenRows(300, { consensus: twoOfThree }), ...givenRows(300, {}, "plain")];
    const started = await startRun({
      server,
      config: configOf(server, { a, b, c }, { tiers: { c: down } }),
      folder: temporaryFolder(),
      rows,
    });
    await until("the plain rows to be answered", () => started.answered() === 300);
    expect(started.batch.progress.failed).toBe(0);
    await c.start();
    const results = await started.finish();
    expect(results.slice(0, 300).every(({ error }) => error?.code === "no_consensus")).toBe(true);
  });
});
