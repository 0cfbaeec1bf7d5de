import { expect, it } from "vitest";
import { questionOf } from "../../src/job/question-of.ts";

const asked = [{ role: "user" as const, content: "capital?" }];
const brief = [{ role: "system" as const, content: "Be brief." }];

it.each([
  ["a flat row", { messages: asked }, asked],
  ["an OpenAI chat body", { messages: [], openaiBody: { model: "m", messages: asked } }, asked],
  [
    "a body for responses",
    { messages: [], openaiBody: { instructions: "Be brief.", input: "capital?" } },
    [...brief, ...asked],
  ],
  ["a body with a list", { messages: [], openaiBody: { prompt: [1, 2] } }, [{ role: "user", content: "[1,2]" }]],
  [
    "Anthropic's params",
    { messages: [], anthropicBody: { system: "Be brief.", messages: asked } },
    [...brief, ...asked],
  ],
])("a judge is shown the question of %s", (_form, request, question) => {
  expect(questionOf(request)).toEqual(question);
});
