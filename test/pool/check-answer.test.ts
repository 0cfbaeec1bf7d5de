import { describe, expect, it } from "vitest";
import { checkAnswer } from "../../src/pool/check-answer.ts";

const schema = {
  type: "object",
  properties: { mood: { enum: ["good", "bad"] }, stars: { type: "integer", maximum: 5 } },
  required: ["mood", "stars"],
  additionalProperties: false,
};
const good = { mood: "good", stars: 4 };
const json = JSON.stringify(good);

describe("an answer that must be JSON of a schema", () => {
  it.each([
    ["alone", json],
    ["with white space", `\n ${json}\n`],
    ["in a fenced block", `\`\`\`json\n${json}\n\`\`\``],
    ["in a fenced block without a name", `\`\`\`\n${json}\n\`\`\``],
    ["in a fenced block between words", `Here it is:\n\`\`\`json\n${json}\n\`\`\`\nThat was it.`],
    ["after thinking", `<think>\nIs {} good?\n</think>\n\n${json}`],
  ])("fits %s; its text stays as it came", (_how, text) => {
    expect(checkAnswer({ schema }, text, "stop")).toEqual({ fits: true, text, json: good });
  });

  it.each([
    ["", "it is not JSON"],
    ["four stars", "it is not JSON"],
    [`${json} ${json}`, "it is not JSON"],
    [`\`\`\`json\n${json}\n\`\`\`\n\`\`\`json\n${json}\n\`\`\``, "it is not JSON"],
    ["null", "the answer must be object"],
    [`[${json}]`, "the answer must be object"],
    ['{"mood":"good"}', "the answer must have required property 'stars'"],
    ['{"mood":"secret word","stars":4}', '/mood must be equal to one of the allowed values: ["good","bad"]'],
    ['{"mood":"good","stars":9,"why":1}', 'the answer must NOT have additional properties: "why"; /stars must be <= 5'],
  ])("%j does not fit, and why is said without quoting its values", (text, complaint) => {
    expect(checkAnswer({ schema }, text, "stop")).toEqual({ fits: false, complaint });
  });

  it("says so when it was cut off at its limit", () => {
    expect(checkAnswer({ schema }, '{"mood":"go', "length")).toEqual({
      fits: false,
      complaint: "it is not JSON (it was cut off at its limit, max_tokens)",
    });
    expect(checkAnswer({ schema }, json, "length")).toMatchObject({ fits: true });
  });

  it("may be any JSON that the schema allows", () => {
    for (const value of [null, false, 0, "", [], "a"]) {
      expect(checkAnswer({ schema: {} }, JSON.stringify(value), "stop")).toMatchObject({ fits: true, json: value });
    }
  });
});

describe("an answer that must be one of some choices", () => {
  const choices = ["Positive", "negative", "n/a", "it's fine."];
  it.each([
    ["Positive", "Positive"],
    ["positive", "Positive"],
    [" NEGATIVE\n", "negative"],
    ['"negative"', "negative"],
    ["**Positive**.", "Positive"],
    ["‘positive’", "Positive"],
    ["N/A!", "n/a"],
    ["It's fine", "it's fine."],
    ['{"choice":"negative"}', "negative"],
    ['```json\n{"choice": "Positive"}\n```', "Positive"],
    ["<think>negative? no</think>\nPositive", "Positive"],
  ])("%j is %j", (text, choice) => {
    expect(checkAnswer({ choices }, text, "stop")).toEqual({ fits: true, text: choice });
  });

  it.each(["", "neutral", "Positive or negative", "Positive, negative", '{"choice":"neutral"}', '["negative"]', "na"])(
    "%j is none of them",
    (text) => {
      expect(checkAnswer({ choices }, text, "stop")).toEqual({
        fits: false,
        complaint: 'it is not one of ["Positive","negative","n/a","it\'s fine."] alone',
      });
    },
  );

  it("is told apart by case where the choices are", () => {
    expect(checkAnswer({ choices: ["US", "us"] }, "us", "stop")).toEqual({ fits: true, text: "us" });
    expect(checkAnswer({ choices: ["US", "us"] }, "Us", "stop")).toMatchObject({ fits: false });
  });
});
