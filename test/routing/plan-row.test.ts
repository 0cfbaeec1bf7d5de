import { expect, test } from "vitest";
import type { RowPayload } from "../../src/job/batch.ts";
import type { ConsensusRule } from "../../src/job/consensus.ts";
import type { OtherEndpoint } from "../../src/job/endpoints.ts";
import { createRowPlanner } from "../../src/plan-row.ts";
import { createRouter } from "../../src/routing/choose-model.ts";
import { everyTier, givenConfig } from "./given-config.ts";

const config = givenConfig();
const plan = createRowPlanner(createRouter(config, everyTier), config, { hasBudget: true, noPrivateRows: undefined });

function payloadOf(endpoint: OtherEndpoint, body: object, maxOutputTokens?: number): RowPayload {
  const request = { messages: [], endpoint, openaiBody: { ...body }, ...(maxOutputTokens && { maxOutputTokens }) };
  const planned = plan({ id: "r", model: "any", private: false, request });
  if (!planned.ok) throw new Error(planned.message);
  return JSON.parse(planned.row.payload) as RowPayload;
}
const mostOutputOf = (...row: Parameters<typeof payloadOf>) => payloadOf(...row).weight?.[1];

test("under a budget a row without a limit is given its model's, under the name that its endpoint has for it", () => {
  expect(payloadOf("/v1/responses", { input: "x" }).request.openaiBody).toEqual({
    input: "x",
    max_output_tokens: 2048,
  });
  expect(payloadOf("/v1/completions", { prompt: "x" }).request.openaiBody).toEqual({ prompt: "x", max_tokens: 2048 });
  expect(payloadOf("/v1/embeddings", { input: "x" }).request.openaiBody).toEqual({ input: "x" });
});

test("what a row may write at most is counted for each prompt and choice, and next to nothing for embeddings", () => {
  expect(mostOutputOf("/v1/completions", { prompt: "x" }, 9)).toBe(9);
  expect(mostOutputOf("/v1/completions", { prompt: ["x", "y", "z"], n: 2, best_of: 4 }, 9)).toBe(9 * 3 * 4);
  expect(mostOutputOf("/v1/completions", { prompt: [1, 2, 3] }, 9)).toBe(9);
  expect(mostOutputOf("/v1/responses", { input: [{}, {}] }, 9)).toBe(9);
  expect(mostOutputOf("/v1/embeddings", { input: ["x", "y"] })).toBe(1);
});

test("a rule with two names of one model, or a stronger model that votes, makes its row unusable", () => {
  const ask = (consensus: ConsensusRule) => plan({ id: "r", private: false, request: { messages: [] }, consensus });
  expect(ask({ models: ["any", "vllm/auto"], threshold: 1 })).toMatchObject({
    ok: false,
    code: "invalid_row",
    message:
      "consensus.models[1]: expected different models; found any and vllm/auto, which are the same model; leave one out",
  });
  expect(ask({ models: ["any", "llama"], threshold: 1, escalate: "ollama/llama3.2" })).toMatchObject({
    ok: false,
    message: expect.stringMatching(
      /^consensus\.escalate: expected a model that has not voted; found "ollama\/llama3\.2"/,
    ),
  });
  expect(ask({ models: ["any", "llama"], threshold: 1, escalate: "opus" })).toMatchObject({ ok: true });
});
