import { expect, it } from "vitest";
import { buildModel } from "../../src/config/build.ts";
import { answeredLine } from "../../src/pool/result-of-call.ts";

it("costs what the backend says, else what the usage costs at the model's price", () => {
  const price = { inputPerMTok: 1, outputPerMTok: 10 };
  const asked = {
    row: 0,
    payload: { id: "a", task: "simple", route: [], private: false, request: { messages: [] } },
    model: buildModel("some", { tier: "lab", model: "m", price }),
    attempts: 0,
  };
  const usage = { inputTokens: 1_000, outputTokens: 100, cachedTokens: 0 };
  const end = { latencyMs: 1, repairs: 0 };
  const answer = { text: "x", finishReason: "stop", usage, model: "m" };
  expect(answeredLine(asked, end, answer).cost_usd).toBeCloseTo(0.002);
  expect(answeredLine(asked, end, { ...answer, costUsd: 0.5 }).cost_usd).toBe(0.5);
  expect(answeredLine(asked, end, { ...answer, costUsd: 0 }).cost_usd).toBe(0);
  expect(answeredLine(asked, end, { ...answer, priceFactor: 0.5 }).cost_usd).toBeCloseTo(0.001);
});
