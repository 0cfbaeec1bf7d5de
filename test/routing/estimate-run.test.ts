import { describe, expect, it } from "vitest";
import {
  estimateRun,
  type GroupFacts,
  guessOutput,
  type Measured,
  type RowGroup,
} from "../../src/routing/estimate-run.ts";
import { exactly } from "../../src/routing/range.ts";

const group: RowGroup = {
  task: "labels",
  model: "cheap",
  tier: "cloud",
  rows: 100,
  inputTokens: 10_000,
  mostOutputTokens: 5_000,
  outputGuess: { low: 500, likely: 2_000, high: 5_000 },
};
const facts: GroupFacts = {
  price: { inputPerMTok: 1, outputPerMTok: 10 },
  isLocal: false,
  latencyMs: undefined,
  slots: exactly(10),
  quota: undefined,
};
const answer: Measured = {
  task: "labels",
  model: "cheap",
  estimatedInputTokens: 100,
  inputTokens: 120,
  outputTokens: 10,
  latencyMs: 1_000,
};
const answers = (count: number, over: Partial<Measured> = {}): Measured[] =>
  Array.from({ length: count }, () => ({ ...answer, ...over }));
const estimate = (measured: readonly Measured[], over: Partial<GroupFacts> = {}, groups = [group]) =>
  estimateRun(groups, measured, () => ({ ...facts, ...over }));

describe("what a run will take", () => {
  it("is guessed by rules of thumb where no answer was seen", () => {
    const { groups, inputTokens, outputTokens, costUsd } = estimate([]);
    expect(groups[0]!.basis).toBe("guessed");
    expect(inputTokens).toEqual({ low: 7_000, likely: 10_000, high: 15_000 });
    expect(outputTokens).toEqual(group.outputGuess);
    expect(costUsd.likely).toBeCloseTo(0.01 + 0.02);
    expect(costUsd.high).toBeCloseTo(0.015 + 0.05);
  });

  it("goes by answers of the same task and model, then by those of the model, never by those of others", () => {
    expect(estimate(answers(3)).inputTokens).toEqual(exactly(12_000));
    expect(estimate(answers(3)).outputTokens).toEqual(exactly(1_000));
    expect(estimate(answers(3)).groups[0]!.basis).toBe("measured");
    expect(estimate(answers(3, { task: "other" })).groups[0]!.basis).toBe("similar");
    expect(estimate(answers(3, { model: "other" })).groups[0]!.basis).toBe("guessed");
    expect(estimate([...answers(2), ...answers(9, { task: "other" })]).groups[0]!.basis).toBe("similar");
  });

  it("expects no longer answers than the rows allow", () => {
    expect(estimate(answers(3, { outputTokens: 900 })).outputTokens).toEqual(exactly(5_000));
  });

  it("tells rows of unknown price apart from free ones", () => {
    const free = { inputPerMTok: 0, outputPerMTok: 0 };
    expect(estimate([], { price: free })).toMatchObject({ costUsd: exactly(0), rowsWithoutPrice: 0 });
    expect(estimate([], { price: undefined })).toMatchObject({ costUsd: exactly(0), rowsWithoutPrice: 100 });
  });

  // A run's start and end take a quarter of a second, the first twenty calls of a process three milliseconds each more.
  it("ends when the slots have done all calls, or when the limits allow it, whichever is later", () => {
    const seconds = (over: Partial<GroupFacts>) => estimate(answers(5), over).seconds.likely;
    expect(seconds({})).toBeCloseTo(0.25 + 9.97 + 0.5);
    expect(seconds({ slots: exactly(1_000) })).toBeCloseTo(0.25 + 0.997 + 0.5);
    expect(seconds({ quota: { name: "cloud", limits: { rpm: 60 } } })).toBeCloseTo(100.25);
    expect(seconds({ quota: { name: "cloud", limits: { tpm: 1_300 } } })).toBeCloseTo(600.25);
    expect(seconds({ quota: { name: "cloud", limits: { outputTpm: 100 } } })).toBeCloseTo(600.25);
    expect(seconds({ quota: { name: "cloud", limits: "auto" } })).toBeCloseTo(0.25 + 9.97 + 0.5);
  });

  it("ends later where some calls are long, as one of those is likely to be the last", () => {
    const some = [...answers(9, { latencyMs: 100 }), ...answers(1, { latencyMs: 9_100 })];
    const { likely, high } = estimate(some, { slots: exactly(100) }).seconds;
    expect(likely).toBeGreaterThan(0.25 + 1 + 4);
    expect(high).toBeGreaterThan(9.1);
  });

  it("takes no more off for a cold start than a call can have had of it", () => {
    expect(estimate(answers(20, { latencyMs: 4 }), { slots: exactly(1) }).seconds.low).toBeGreaterThan(0.1 + 0.19);
    const warm = estimate(answers(2_000), { slots: exactly(1) }).seconds;
    expect(warm.likely).toBeCloseTo(0.25 + 99.997 + 0.5);
  });

  it("adds up what shares a quota, and lets tiers work at the same time", () => {
    const rpm = { quota: { name: "cloud", limits: { rpm: 60 } } };
    const other = { ...group, task: "other", model: "second" };
    expect(estimate(answers(5), rpm, [group, other]).seconds.likely).toBeCloseTo(200.25);
    expect(estimate(answers(5), rpm, [group, { ...other, tier: "else" }]).seconds.likely).toBeCloseTo(100.25);
  });

  it("takes the fleet's own times over a guess", () => {
    expect(estimate([], { latencyMs: 2_000 }).seconds.likely).toBeCloseTo(0.25 + 20 + 1);
  });

  it("expects little of a row that may only choose", () => {
    const messages = [{ role: "user", content: "?" }] as const;
    expect(guessOutput({ messages, answerForm: { choices: ["yes", "no"] } }, 2_048).high).toBe(30);
    expect(guessOutput({ messages }, 50)).toEqual({ low: 20, likely: 50, high: 50 });
  });
});
