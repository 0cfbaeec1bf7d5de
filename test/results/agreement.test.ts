import { describe, expect, it } from "vitest";
import type { ConsensusRule, Vote } from "../../src/job/consensus.ts";
import type { AnswerForm } from "../../src/job/row.ts";
import { countVotes } from "../../src/results/agreement.ts";

const choices: AnswerForm = { choices: ["yes", "no", "perhaps"] };
const schema: AnswerForm = { schema: { type: "object" } };

/** "-" failed, "?" asked, "" unasked … one a model of a, b, c, …; anything else is its answer. */
function given(answers: readonly string[], rule: Partial<ConsensusRule> = {}, form: AnswerForm | "text" = choices) {
  const models = answers.map((_answer, at) => "abcdefgh"[at]!);
  const votes = answers.map((answer, at): Vote => {
    const model = models[at]!;
    if (answer === "-") return { model, state: "failed", reason: "down" };
    if (answer === "?") return { model, state: "asked" };
    if (answer === "…") return { model, state: "unasked" };
    const json = form !== "text" && "schema" in form ? { json: JSON.parse(answer) as unknown } : {};
    return { model, state: "answered", text: answer, ...json };
  });
  return countVotes({ models, threshold: 0.66, ...rule }, form === "text" ? undefined : form, votes);
}

describe("labels at 0.66", () => {
  it("agree when three of three are the same", () => {
    expect(given(["yes", "yes", "yes"])).toMatchObject({
      kind: "agreed",
      agreed: ["a", "b", "c"],
      share: 1,
      dissent: [],
    });
  });

  it("agree when two of three are the same, and name the dissent", () => {
    expect(given(["no", "yes", "yes"])).toEqual({
      kind: "agreed",
      model: "b",
      agreed: ["b", "c"],
      share: 2 / 3,
      by: "label",
      dissent: [{ model: "a", text: "no" }],
    });
  });

  it("do not agree when all are different", () => {
    expect(given(["yes", "no", "perhaps"])).toMatchObject({
      kind: "none",
      share: 1 / 3,
      isTie: false,
      isForJudge: false,
    });
  });

  it("agree without one that failed, but not by its absence", () => {
    expect(given(["yes", "-", "yes"])).toMatchObject({ kind: "agreed", agreed: ["a", "c"], share: 2 / 3 });
    expect(given(["yes", "-", "-"])).toMatchObject({ kind: "none", share: 1 / 3 });
    expect(given(["yes", "-", "no"])).toMatchObject({ kind: "none" });
    expect(given(["-", "-", "-"])).toMatchObject({ kind: "none", share: 0 });
  });

  it("are settled as soon as those to come can change nothing", () => {
    expect(given(["yes", "yes", "?"])).toMatchObject({ kind: "agreed", agreed: ["a", "b"] });
    expect(given(["yes", "?", "yes"])).toMatchObject({ kind: "agreed", agreed: ["a", "c"] });
    expect(given(["yes", "no", "?"])).toEqual({ kind: "open", ask: [] });
    expect(given(["-", "-", "…"])).toMatchObject({ kind: "none" });
    expect(given(["yes", "no", "…"], { threshold: 1 })).toMatchObject({ kind: "none" });
  });
});

describe("the threshold", () => {
  it.each([
    [0.66, "agreed"],
    [0.67, "none"],
    [1, "none"],
  ])("%s of three votes, two of which are the same: %s", (threshold, kind) => {
    expect(given(["yes", "yes", "no"], { threshold })).toMatchObject({ kind });
  });

  it("of a third is met by the answer with more votes, and two with as many are a tie", () => {
    expect(given(["yes", "no", "no"], { threshold: 0.33 })).toMatchObject({ kind: "agreed", agreed: ["b", "c"] });
    expect(given(["yes", "no"], { threshold: 0.5 })).toMatchObject({ kind: "none", isTie: true });
    expect(given(["yes", "no", "…"], { threshold: 0.33 })).toEqual({ kind: "open", ask: ["c"] });
  });

  it("is of the weights of all models", () => {
    const weights = { a: 2, b: 0.5, c: 0.5 };
    expect(given(["yes", "no", "no"], { weights })).toMatchObject({ kind: "agreed", agreed: ["a"], share: 2 / 3 });
    expect(given(["-", "no", "no"], { weights })).toMatchObject({ kind: "none", share: 1 / 3 });
    expect(given(["yes", "…", "…"], { weights })).toMatchObject({ kind: "agreed", agreed: ["a"] });
  });

  it("forgives binary fractions", () => {
    const weights = { a: 0.1, b: 0.2, c: 0.7 };
    expect(given(["yes", "yes", "no"], { weights, threshold: 0.3 })).toMatchObject({ kind: "agreed", agreed: ["c"] });
    expect(given(["yes", "yes", "-"], { weights, threshold: 0.3 })).toMatchObject({
      kind: "agreed",
      agreed: ["a", "b"],
    });
  });
});

describe("which models are asked", () => {
  it("is all at once without economy", () => {
    expect(given(["…", "…", "…"])).toEqual({ kind: "open", ask: ["a", "b", "c"] });
  });

  it.each([
    [
      ["…", "…", "…"],
      ["a", "b"],
    ],
    [["?", "…", "…"], ["b"]],
    [["?", "?", "…"], []],
    [["yes", "?", "…"], []],
    [["yes", "no", "…"], ["c"]],
    [["-", "?", "…"], ["c"]],
  ])("is with economy only as many as the threshold needs: %j asks %j", (answers, ask) => {
    expect(given(answers, { economy: true })).toEqual({ kind: "open", ask });
  });

  it("goes by weights", () => {
    expect(given(["…", "…", "…"], { economy: true, weights: { a: 5 } })).toEqual({ kind: "open", ask: ["a"] });
  });
});

describe("JSON answers", () => {
  it("agree field by field, numbers within the tolerance, words whatever their case", () => {
    const answers = ['{"city":"Bern","price":12.5,"tags":["a"]}', '{"tags":["A"],"price":12.51,"city":" bern"}'];
    expect(given(answers, { tolerance: 0.01 }, schema)).toMatchObject({
      kind: "agreed",
      agreed: ["a", "b"],
      by: "fields",
    });
    expect(given(answers, {}, schema)).toMatchObject({ kind: "none", fields: ["/price"] });
  });

  it("name the fields that differ from the agreed answer", () => {
    const same = '{"mood":"good","stars":4,"parts":[{"n":1}]}';
    expect(given([same, same, '{"mood":"bad","stars":4,"parts":[{"n":2}],"why":1}'], {}, schema)).toMatchObject({
      kind: "agreed",
      dissent: [{ model: "c", fields: ["/mood", "/parts/0/n", "/why"] }],
    });
  });

  it.each([
    ["null", "null", true],
    ['{"a":null}', "{}", false],
    ['{"id":"A-1"}', '{"id":"A1"}', false],
    ["[1,2]", "[2,1]", false],
    ["[1]", '{"0":1}', false],
    ["1", '"1"', false],
    ["{}", '{"constructor":1}', false],
    ["0.1", "0.11", true],
    ["12345678901.02", "12345678901.03", true],
    ["0.1", "0.12", false],
  ])("%s and %s are the same: %s", (one, other, same) => {
    expect(given([one, other], { tolerance: 0.01 }, schema).kind).toBe(same ? "agreed" : "none");
  });

  it("within a tolerance gather around the one in the middle", () => {
    expect(given(["1", "1.5", "2"], { tolerance: 0.5, threshold: 1 }, schema)).toMatchObject({ model: "b", share: 1 });
  });
});

describe("free texts", () => {
  const text = (one: string, other: string) => given([one, other], {}, "text");
  it.each([
    ["Paris", " paris.\n"],
    ["It’s “Paris”", "it's Paris!"],
    ["**Paris** (France)", "Paris, France"],
    ["ﬁne ＯＫ", "fine ok"],
    ["Zürich", "Zu\u0308rich"],
    ["<think>Rome?</think>\nParis", "Paris"],
    ["はい。", "はい"],
  ])("%j says what %j says", (one, other) => {
    expect(text(one, other)).toMatchObject({ kind: "agreed", by: "text" });
  });

  it.each([
    ["1.5", "15"],
    ["-5", "5"],
    [".5", "5"],
    ["n/a", "na"],
    ["C#", "C"],
    ["5%", "5"],
    ["Paris", "Paris, France"],
    ["not good", "good"],
  ])("%j does not say what %j says", (one, other) => {
    expect(text(one, other)).toMatchObject({ kind: "none" });
  });

  it("that are empty are no votes", () => {
    expect(text("", " ...")).toMatchObject({ kind: "none", share: 0 });
    expect(given(["yes", "", "yes"], {}, "text")).toMatchObject({ kind: "agreed", agreed: ["a", "c"], dissent: [] });
  });
});
