import { expect, test } from "vitest";
import { plainQuestion } from "../../src/job/anthropic-params.ts";

const user = (...content: object[]) => ({ messages: [{ role: "user", content }] });

test("params become a question in no provider's dialect", () => {
  const schema = { type: "object" };
  expect(
    plainQuestion({
      model: "claude-haiku-5-5",
      max_tokens: 9,
      system: "Be brief.",
      messages: [
        { role: "user", content: "Hello" },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "Hm." },
            { type: "text", text: "Hi" },
          ],
        },
        {
          role: "user",
          content: [
            { type: "text", text: "one", cache_control: {} },
            { type: "text", text: "two" },
          ],
        },
      ],
      temperature: 0.5,
      top_p: 0.9,
      stop_sequences: ["END"],
      output_config: { format: { type: "json_schema", schema } },
      metadata: { user_id: "u" },
    }),
  ).toEqual({
    request: {
      messages: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "Hello" },
        { role: "assistant", content: "Hi" },
        { role: "user", content: ["one", "two"].map((text) => ({ type: "text", text })) },
      ],
      answerForm: { schema },
      maxOutputTokens: 9,
      temperature: 0.5,
      topP: 0.9,
      stop: ["END"],
    },
    omittedOptions: [],
  });
});

test("images become URLs, whether they came as one or as bytes", () => {
  const base64 = { type: "base64", media_type: "image/png", data: "AAAA" };
  const url = { type: "url", url: "https://example.com/cat.png" };
  const images = [base64, url].map((source) => ({ type: "image", source }));
  expect(plainQuestion(user(...images, { type: "text", text: "What?" }))).toMatchObject({
    request: {
      messages: [
        {
          content: [
            { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
            { type: "image_url", image_url: { url: "https://example.com/cat.png" } },
            { type: "text", text: "What?" },
          ],
        },
      ],
    },
  });
});

test("what other models cannot be asked with is named, and null is what is not there", () => {
  const params = {
    ...user({ type: "text", text: "x" }),
    tools: [],
    top_k: 5,
    thinking: null,
    output_config: { effort: "low" },
  };
  expect(plainQuestion(params)).toMatchObject({ omittedOptions: ["tools", "top_k", "effort"] });
});

test.each([
  [{ type: "tool_result", tool_use_id: "t", content: "x" }, '"tool_result"'],
  [{ type: "document", source: {} }, '"document"'],
  [{ type: "image", source: { type: "file", file_id: "f" } }, '"image"'],
  [{ type: "image", source: { type: "url", url: "file:///etc/passwd" } }, '"image"'],
])("a block %j can be given to Anthropic alone", (block, type) => {
  expect(plainQuestion(user(block))).toBe(`blocks of the type ${type} can be given to Anthropic's API alone`);
});
