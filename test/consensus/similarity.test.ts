import { describe, expect, it } from "vitest";
import type { ConsensusRule } from "../../src/job/consensus.ts";
import { givenBackend, givenDeadBackend } from "../support/given-backend.ts";
import { givenRows, startRun } from "../support/given-run.ts";
import { configOf, runToEnd, says, twoOfThree } from "../support/given-votes.ts";
import { withRedis } from "../support/redis-server.ts";
import type { SimulatedBackend } from "../support/simulated-backend.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";

const server = withRedis();

const alike: ConsensusRule = { ...twoOfThree, similarity: { model: "on-e", atLeast: 0.9 } };
const differing = async () => ({ a: await says("Bern"), b: await says("It is Bern"), c: await says("Zürich") });

/** A SIMULATED embeddings server: these vectors for these texts, and what it was asked. */
async function embeds(vectors: Readonly<Record<string, readonly number[]>>) {
  const asked: unknown[] = [];
  const backend = await givenBackend({
    answer: ({ body }) => {
      asked.push(body);
      return JSON.stringify((body.input as string[]).map((text) => vectors[text] ?? [0, 0, 1]));
    },
  });
  return { backend, asked };
}

const capitals = { Bern: [1, 0, 0], "It is Bern": [0.95, 0.3, 0], Zürich: [0.3, 0.95, 0] };

describe.concurrent("texts that differ in their words", () => {
  it("agree by their embeddings, which are a row of their own, and the result says how alike they are", async () => {
    const { backend: e, asked } = await embeds(capitals);
    const models = { "on-e": { tier: "e", model: "simulated-model", price: { inputPerMTok: 1, outputPerMTok: 0 } } };
    const config = configOf(server, { ...(await differing()), e }, { models });
    const results = await runToEnd(server, config, givenRows(5, { consensus: alike }));
    expect(results[4]).toMatchObject({
      status: "answered",
      text: "Bern",
      model: "on-a",
      attempts: 4,
      usage: { input_tokens: 80 },
      cost_usd: 0.00002,
      consensus: {
        agreed: true,
        share: 0.666667,
        by: "similarity",
        similarity: 0.953583,
        votes: [
          { model: "on-a", agreed: true },
          { model: "on-b", agreed: true },
          { model: "on-c", agreed: false, similarity: 0.301131 },
          { model: "on-e", role: "similarity", agreed: false, text: null, attempts: 1, cost_usd: 0.00002 },
        ],
      },
    });
    expect(asked).toEqual(Array(5).fill({ model: "simulated-model", input: ["Bern", "It is Bern", "Zürich"] }));
    expect(JSON.stringify(results)).not.toContain("embedding");
  });

  it("are not embedded where enough are the same, nor by a server that is down before it is back", async () => {
    const [a, c] = [await says("Bern"), await says("Zürich")];
    const b = await givenBackend({ answer: ({ key }) => (key === "r7" ? "It is Bern" : "bern.") });
    const e = await givenDeadBackend();
    const started = await startRun({
      server,
      config: configOf(server, { a, b, c, e }),
      folder: temporaryFolder(),
      rows: givenRows(20, { consensus: alike }),
    });
    await until("the rows without a need to be answered", () => started.answered() === 19);
    expect(started.batch.progress.failed).toBe(0);
    (await e.start()).setBehaviour({ answer: () => JSON.stringify(Object.values(capitals)) });
    const results = await started.finish();
    expect(results.map(({ consensus }) => consensus?.by)).toEqual(
      results.map((_result, row) => (row === 7 ? "similarity" : "text")),
    );
    expect(results[7]!.status).toBe("answered");
  });

  it.each<[string, () => Promise<SimulatedBackend>, RegExp]>([
    [
      "have different lengths",
      async () => (await embeds({ ...capitals, Zürich: [1, 0] })).backend,
      /; the embeddings of on-e cannot be compared: their lengths differ \(3, 2\)$/,
    ],
    [
      "are not alike enough",
      async () => (await embeds({ ...capitals, "It is Bern": [1, 1, 0] })).backend,
      /; of the answers that differ the two most alike have a similarity of 0\.8\d+, needed is 0\.9$/,
    ],
    [
      "cannot be had, as their model is none for that",
      () => givenBackend({ fault: { kind: "status", status: 400, body: '{"error":{"message":"no embeddings"}}' } }),
      /; the embeddings of on-e: rejected$/,
    ],
  ])("do not agree when their embeddings %s, and the error says so", async (_how, given, words) => {
    const config = configOf(server, { ...(await differing()), e: await given() });
    const [result] = await runToEnd(server, config, givenRows(1, { consensus: alike }));
    expect(result).toMatchObject({
      status: "failed",
      error: { code: "no_consensus", message: expect.stringMatching(words) },
      consensus: { agreed: false, votes: [{}, {}, {}, { role: "similarity" }] },
    });
  });

  it("are never sent to an embeddings tier that is not local, if they are private", async () => {
    const { backend: e } = await embeds(capitals);
    const config = configOf(
      server,
      { ...(await differing()), e },
      { tiers: { e: { provider: "openai-compatible", location: "cloud" } } },
    );
    const [result] = await runToEnd(server, config, givenRows(1, { private: true, consensus: alike }));
    expect(result!.error).toEqual({
      code: "no_consensus",
      message:
        "the largest share for one answer is 33.3 %, needed are 66 %; the embeddings of on-e: on-e: private, and tier e is not local",
    });
    expect(e.requests()).toBe(0);
  });
});
