import { expect, it } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import type { ConfigFile } from "../../src/config/schema.ts";
import { createRowParser } from "../../src/intake/parse-row.ts";

const load = (consensus: object) => {
  const tier = { provider: "openai-compatible", baseUrl: "http://127.0.0.1:1/v1", location: "local" };
  const of = (model: string, tierName = "lab") => ({ tier: tierName, model });
  const models = { a: of("a"), b: of("b"), c: of("c"), again: of("a"), opus: of("opus", "sky") };
  const file = {
    tiers: { lab: tier, sky: { provider: "anthropic" } },
    models,
    tasks: { simple: { primary: "a", consensus } },
  };
  return loadConfig({ config: file as unknown as ConfigFile, environment: { HOME: "/nowhere" } });
};

it.each<[string, object, RegExp]>([
  ["one model", { models: ["a"] }, /consensus\.models.*two|at least/is],
  ["the same model twice", { models: ["a", "a"] }, /consensus\.models.*(twice|different)/is],
  [
    "two names of one model",
    { models: ["a", "b", "again"] },
    /consensus\.models\[2\].*a and again, which are the same/s,
  ],
  ["a threshold of 0", { models: ["a", "b"], threshold: 0 }, /consensus\.threshold/],
  ["a threshold of 1.5", { models: ["a", "b"], threshold: 1.5 }, /consensus\.threshold/],
  ["an unknown alias", { models: ["a", "bb"] }, /"?bb"?.*"?b"?/is],
  ["a judge that is no alias", { models: ["a", "b"], judge: "nobody" }, /nobody/],
  ["a stronger model that votes", { models: ["a", "b"], escalate: "b" }, /consensus\.escalate.*not voted.*"b"/s],
  ["one that votes by another name", { models: ["a", "b"], escalate: "again" }, /consensus\.escalate.*not voted/s],
  [
    "a judge and a similarity",
    { models: ["a", "b"], judge: "c", similarity: { model: "c", atLeast: 0.9 } },
    /consensus\.similarity.*expected a judge or a similarity; found both/s,
  ],
  [
    "a similarity of nobody",
    { models: ["a", "b"], similarity: { model: "cc", atLeast: 1 } },
    /similarity\.model.*"cc"/s,
  ],
  ["a similarity of 0", { models: ["a", "b"], similarity: { model: "c", atLeast: 0 } }, /similarity\.atLeast/],
  [
    "a similarity without a number",
    { models: ["a", "b"], similarity: { model: "c" } },
    /similarity\.atLeast.*nothing/s,
  ],
  [
    "a similarity by a model of a tier without embeddings",
    { models: ["a", "b"], similarity: { model: "opus", atLeast: 0.9 } },
    /similarity\.model.*makes embeddings; found "opus", whose tier sky has no \/v1\/embeddings; tiers that have it: lab/s,
  ],
  [
    "a similarity by a model that answers",
    { models: ["a", "b"], similarity: { model: "again", atLeast: 0.9 } },
    /similarity\.model.*makes embeddings; found "again", which answers/s,
  ],
])("a task's consensus with %s is refused with its place", async (_what, consensus, words) => {
  await expect(load(consensus)).rejects.toThrow(words);
});

it("takes a threshold of 1, and fills in none that is not said", async () => {
  const { tasks } = await load({ models: ["a", "b", "c"], threshold: 1 });
  expect(tasks.simple).toMatchObject({ consensus: { models: ["a", "b", "c"], threshold: 1 } });
});

it("takes a similarity by a model that may make embeddings", async () => {
  const similarity = { model: "c", atLeast: 0.9 };
  const { tasks } = await load({ models: ["a", "b"], similarity });
  expect(tasks.simple).toMatchObject({ consensus: { similarity } });
});

it.each([
  ["one model", { models: ["a"] }],
  ["the same model twice", { models: ["a", "a"] }],
  ["a threshold of 0", { models: ["a", "b"], threshold: 0 }],
  ["a threshold of 1.5", { models: ["a", "b"], threshold: 1.5 }],
  ["a stronger model that votes", { models: ["a", "b"], escalate: "b" }],
  ["something that is no rule", "all of them"],
])("a row's consensus with %s makes that row unusable, and says why", (_what, consensus) => {
  const parse = createRowParser({ strict: false, kind: "rows" });
  const parsed = parse(Buffer.from(JSON.stringify({ prompt: "x", consensus })), 1);
  expect(parsed).toMatchObject({ ok: false, message: expect.stringContaining("consensus") });
});
