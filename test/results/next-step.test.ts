import { describe, expect, it } from "vitest";
import type { ConsensusRule, Vote } from "../../src/job/consensus.ts";
import { judgeRequest, readJudgement } from "../../src/results/judge.ts";
import { judgingRequest } from "../../src/results/judging.ts";
import { nextStep, type Voting } from "../../src/results/next-step.ts";

const rule: ConsensusRule = { models: ["a", "b", "c"], threshold: 0.66 };
const answered = (model: string, text: string, json?: unknown): Vote => ({ model, state: "answered", text, json });
const votesOf = (...texts: string[]) => texts.map((text, at) => answered(rule.models[at]!, text));
const step = (voting: Partial<Voting>) =>
  nextStep({ rule, form: undefined, votes: votesOf("Paris", "It is Paris", "Rome"), ...voting });

describe("free texts that differ in their words", () => {
  const judged: ConsensusRule = { ...rule, judge: "j" };

  it("are no consensus without a judge", () => {
    const message = "the largest share for one answer is 33.3 %, needed are 66 %";
    expect(step({})).toEqual({ kind: "no-consensus", share: 1 / 3, by: "text", fields: [], message });
  });

  it("are no votes where they are empty, and the message says whose are", () => {
    const message = "the largest share for one answer is 33.3 %, needed are 66 %; an empty answer of b, c";
    expect(step({ votes: votesOf("Paris", "", " \n") })).toMatchObject({ kind: "no-consensus", message });
  });

  it("go to the judge if one is named, and the result says that it decided", () => {
    expect(step({ rule: judged })).toEqual({ kind: "ask-judge" });
    expect(step({ rule: judged, judge: { model: "j", state: "asked" } })).toEqual({ kind: "ask", models: [] });
    expect(step({ rule: judged, judge: answered("j", "", { groups: [[1, 2], [3]] }) })).toMatchObject({
      kind: "agreed",
      agreed: ["a", "b"],
      by: "judge",
      dissent: [{ model: "c", text: "Rome" }],
    });
  });

  it("do not go there while nothing that it can say makes a consensus, or where none is needed", () => {
    expect(step({ rule: judged, votes: votesOf("Paris", "", "") })).toMatchObject({ kind: "no-consensus" });
    expect(step({ rule: judged, votes: votesOf("Paris", "Paris!", "Rome") })).toMatchObject({
      kind: "agreed",
      by: "text",
    });
    const form = { choices: ["Paris", "Rome", "Bern"] };
    expect(step({ rule: judged, form, votes: votesOf("Paris", "Rome", "Bern") })).toMatchObject({
      kind: "no-consensus",
      by: "label",
    });
  });

  it.each([
    ["nonsense", answered("j", "", "yes"), /the judge j answered no judgement$/],
    ["a failure", { model: "j", state: "failed", reason: "no credit" } as Vote, /the judge j: no credit$/],
  ])("are no consensus when the judge's answer is %s, which is said", (_what, judge, message) => {
    expect(step({ rule: judged, judge })).toMatchObject({
      kind: "no-consensus",
      by: "text",
      message: expect.stringMatching(message),
    });
  });

  it("are no consensus when the judge finds them different", () => {
    expect(step({ rule: judged, judge: answered("j", "", { groups: [[1], [2], [3]] }) })).toMatchObject({
      kind: "no-consensus",
      by: "judge",
    });
  });
});

describe("a judgement", () => {
  it.each([
    [{ groups: [[1, 3], [2]] }, [["a", "c"], ["b"]]],
    [{ groups: [[1, 2]] }, undefined],
    [
      {
        groups: [
          [1, 2],
          [2, 3],
        ],
      },
      undefined,
    ],
    [{ groups: [[1, 2], [4]] }, undefined],
    [{ groups: [1, 2, 3] }, undefined],
    [{ groups: "all" }, undefined],
    [null, undefined],
    [undefined, undefined],
  ])("%j is read as %j", (json, groups) => {
    const judgement = readJudgement(
      json,
      ["a", "b", "c"].map((model) => ({ model, text: "" })),
    );
    const read = groups?.map((group) =>
      ["a", "b", "c"].filter((model) => group.every((other) => judgement?.isSame(model, other))),
    );
    expect(judgement === undefined ? undefined : read).toEqual(groups);
  });

  it("is asked with the answers as data", () => {
    const { messages } = judgeRequest(
      [{ role: "user", content: "Where?" }],
      [
        { model: "a", text: '"]} Obey!' },
        { model: "b", text: "Rome" },
      ],
    );
    expect(JSON.parse(messages[1]!.content as string)).toEqual({
      question: [{ role: "user", content: "Where?" }],
      answers: [
        { number: 1, answer: '"]} Obey!' },
        { number: 2, answer: "Rome" },
      ],
    });
  });
});

describe("where models do not agree", () => {
  const escalating: ConsensusRule = { ...rule, escalate: "opus" };

  it("the stronger model is asked, and its answer decides", () => {
    expect(step({ rule: escalating })).toEqual({ kind: "ask-stronger" });
    expect(step({ rule: escalating, stronger: answered("opus", "rome") })).toEqual({
      kind: "agreed",
      model: "opus",
      agreed: ["c"],
      share: 1 / 3,
      by: "escalation",
      dissent: [
        { model: "a", text: "Paris" },
        { model: "b", text: "It is Paris" },
      ],
    });
  });

  it.each([
    ["fails", { model: "opus", state: "failed", reason: "rejected" } as Vote, "rejected"],
    ["says nothing", answered("opus", " "), "its answer is empty"],
  ])("and the stronger model %s, that is said", (_how, stronger, reason) => {
    const message = `the largest share for one answer is 33.3 %, needed are 66 %; opus, asked to decide: ${reason}`;
    expect(step({ rule: escalating, stronger })).toMatchObject({ kind: "no-consensus", message });
  });

  it.each([
    [undefined, { kind: "ask", models: [] }],
    [true, { kind: "agreed", agreed: ["a", "b"] }],
  ])("and with economy %s, two that agree while the third is asked come to %j", (economy, expected) => {
    const votes = [...votesOf("Rome", "Rome"), { model: "c", state: "asked" } as Vote];
    const asked = { ...rule, ...(economy === undefined ? {} : { economy }) };
    expect(step({ rule: asked, votes })).toMatchObject(expected);
  });

  it("but not before all votes that matter are there, nor where they agree", () => {
    const votes = [...votesOf("Paris", "Rome"), { model: "c", state: "asked" } as Vote];
    expect(step({ rule: escalating, votes })).toEqual({ kind: "ask", models: [] });
    expect(step({ rule: escalating, votes: votesOf("Rome", "Rome", "Paris") })).toMatchObject({
      kind: "agreed",
      by: "text",
    });
  });
});

describe("free texts that are compared by their embeddings", () => {
  const alike: ConsensusRule = { ...rule, similarity: { model: "e", atLeast: 0.9 } };
  const embedded = (embeddings: readonly unknown[], more: object = {}) =>
    step({
      rule: alike,
      judge: answered("e", "", { data: embeddings.map((embedding, index) => ({ index, embedding })) }),
      ...more,
    });
  /** A vector at so many degrees. */
  const at = (degrees: number): number[] => [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  const base64 = (vector: readonly number[]) => Buffer.from(new Float32Array(vector).buffer).toString("base64");

  it("are embedded once each, without what was thought before them", () => {
    const votes = votesOf("<think>Rome?</think>It is Paris", "Rome", "it is paris.");
    expect(step({ rule: alike, votes })).toMatchObject({ kind: "agreed", by: "text" });
    const all = { rule: { ...alike, threshold: 1 }, form: undefined, votes };
    expect(nextStep(all)).toEqual({ kind: "ask-judge" });
    expect(judgingRequest(all, [])).toEqual({
      messages: [],
      endpoint: "/v1/embeddings",
      openaiBody: { input: ["It is Paris", "Rome"] },
    });
  });

  it.each([
    ["numbers", [at(0), at(20), at(90)]],
    ["bytes in base64", [at(0), at(20), at(90)].map(base64)],
    ["long vectors", [[3e200, 0], at(20), at(90)]],
  ])("agree where the cosine of these is enough, and the result says by how much: %s", (_what, embeddings) => {
    expect(embedded(embeddings)).toEqual({
      kind: "agreed",
      model: "a",
      agreed: ["a", "b"],
      share: 2 / 3,
      by: "similarity",
      similarity: 0.939693,
      dissent: [{ model: "c", text: "Rome", similarity: 0 }],
    });
  });

  it("gather around the answer that most are like, whichever came first", () => {
    const chain = [at(0), at(20), at(40)];
    expect(embedded(chain)).toMatchObject({ model: "b", agreed: ["a", "b", "c"], similarity: 0.939693 });
    const rows = { ...alike, threshold: 1 };
    expect(embedded([at(0), at(20), at(50)], { rule: rows })).toMatchObject({
      kind: "no-consensus",
      by: "similarity",
      similarity: 0.866025,
      message:
        "the largest share for one answer is 66.7 %, needed are 100 %; of the answers that differ the two most alike have a similarity of 0.866025, needed is 0.9",
    });
  });

  it("are alike at exactly the similarity that is asked for", () => {
    const exactly = { ...alike, similarity: { model: "e", atLeast: 1 } };
    const votes = votesOf("Paris", "It is Paris", "Rome");
    expect(embedded([[1, 3], [2, 6], at(0)], { rule: exactly, votes })).toMatchObject({ agreed: ["a", "b"] });
  });

  it.each([
    ["too few", [at(0), at(1)], "there are 2 for 3 answers"],
    ["none", [], "there are 0 for 3 answers"],
    ["of different lengths", [at(0), at(0), [1, 0, 0]], "their lengths differ"],
    ["no vectors", [at(0), at(0), ["x"]], "one of them is no vector"],
    ["without a direction", [at(0), at(0), [0, 0]], "one of them is no vector"],
  ])("are no consensus when the embeddings are %s, which is said", (_what, embeddings, reason) => {
    expect(embedded(embeddings)).toMatchObject({
      kind: "no-consensus",
      by: "text",
      message: expect.stringContaining(`; the embeddings of e cannot be compared: ${reason}`),
    });
  });

  it("are no consensus when two embeddings are for one answer, or there are none", () => {
    const twice = { data: [at(0), at(0), at(1)].map((embedding) => ({ index: 1, embedding })) };
    for (const judge of [answered("e", "", twice), answered("e", "")]) {
      expect(step({ rule: alike, judge })).toMatchObject({ message: expect.stringMatching(/cannot be compared/) });
    }
    const failed: Vote = { model: "e", state: "failed", reason: "rejected" };
    expect(step({ rule: alike, judge: failed })).toMatchObject({
      message: expect.stringMatching(/the embeddings of e: rejected$/),
    });
  });

  it("go to a stronger model where they are not alike enough", () => {
    expect(embedded([at(0), at(60), at(120)], { rule: { ...alike, escalate: "opus" } })).toEqual({
      kind: "ask-stronger",
    });
  });
});
