import { describe, expect, it } from "vitest";
import { createTokenEstimates } from "../../src/pool/token-estimates.ts";
import { weighRequest } from "../../src/routing/estimate.ts";

const user = (content: string) => ({ messages: [{ role: "user" as const, content }] });

describe("the weight of a request", () => {
  it.each([
    ["English", "a".repeat(4_000), 1_000],
    ["Chinese", "汉".repeat(900), 900],
    ["Russian", "я".repeat(1_000), 625],
    ["half of each", "a".repeat(400) + "汉".repeat(100), 200],
  ])("is about what tokenizers make of %s", (_what, text, tokens) => {
    expect(weighRequest(user(text)).inputTokens).toBeGreaterThanOrEqual(tokens);
    expect(weighRequest(user(text)).inputTokens).toBeLessThan(tokens + 10);
  });

  it("is never above its upper bound, a token a byte and what surrounds messages", () => {
    const { inputTokens, mostInputTokens } = weighRequest(user("汉".repeat(900)));
    expect(mostInputTokens).toBeGreaterThan(2_700);
    expect(mostInputTokens).toBeLessThan(2_800);
    expect(inputTokens).toBeLessThan(mostInputTokens);
  });

  it("counts an image by the piece, however long its data is", () => {
    const image = { type: "image_url", image_url: { url: `data:image/png;base64,${"A".repeat(1e6)}` } };
    const request = { messages: [{ role: "user" as const, content: [{ type: "text", text: "what is it?" }, image] }] };
    expect(weighRequest(request).inputTokens).toBeLessThan(1_100);
    expect(weighRequest(request).mostInputTokens).toBeGreaterThan(50_000);
  });

  it("looks into the body of an OpenAI batch line", () => {
    const openaiBody = { ...user("a".repeat(400)), tools: [{ name: "b".repeat(400) }] };
    expect(weighRequest({ messages: [], openaiBody }).inputTokens).toBeGreaterThan(200);
  });

  it.each<[string, object, number]>([
    ["one text", { input: "汉".repeat(900) }, 900],
    ["several texts", { prompt: ["a".repeat(400), "a".repeat(400)] }, 200],
    ["tokens", { input: [Array(100).fill(7), Array(100).fill(7)] }, 100],
    ["a conversation", { instructions: "a".repeat(400), input: [{ role: "user", content: "a".repeat(400) }] }, 200],
    ["a call of a tool", { messages: [{ role: "assistant", content: null, tool_calls: "a".repeat(400) }] }, 100],
  ])("counts %s of a body as text", (_what, openaiBody, tokens) => {
    const { inputTokens } = weighRequest({ messages: [], openaiBody: { ...openaiBody } });
    expect(inputTokens).toBeGreaterThanOrEqual(tokens);
    expect(inputTokens).toBeLessThan(tokens + 40);
  });

  it("expects a form to be said once, and bounds that its answer is mended", () => {
    const form = { ...user("Good or bad?"), answerForm: { choices: ["good", "bad"] } };
    expect(weighRequest(form).inputTokens).toBeLessThan(weighRequest(user("Good or bad?")).inputTokens + 20);
    expect(weighRequest(form).mostInputTokens).toBeGreaterThan(4_000);
  });

  it("looks into the params of an Anthropic batch request, tools and their answers included", () => {
    const blocks = [
      { type: "text", text: "a".repeat(400) },
      { type: "tool_result", tool_use_id: "t", content: "a".repeat(400) },
    ];
    const anthropicBody = { system: "a".repeat(400), messages: [{ role: "user", content: blocks }], tools: [] };
    const { inputTokens } = weighRequest({ messages: [], anthropicBody });
    expect(inputTokens).toBeGreaterThanOrEqual(300);
    expect(inputTokens).toBeLessThan(350);
    const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "A".repeat(1e6) } };
    const asked = { messages: [{ role: "user", content: [image] }] };
    expect(weighRequest({ messages: [], anthropicBody: asked }).inputTokens).toBeLessThan(1_100);
  });

  it("counts an image of a response's input by the piece", () => {
    const image = { type: "input_image", image_url: `data:image/png;base64,${"A".repeat(1e6)}` };
    const openaiBody = { input: [{ role: "user", content: [{ type: "input_text", text: "what is it?" }, image] }] };
    expect(weighRequest({ messages: [], openaiBody }).inputTokens).toBeLessThan(1_100);
  });
});

describe("what is learned from reported usage", () => {
  const usage = (inputTokens: number, outputTokens: number) => ({ inputTokens, outputTokens, cachedTokens: 0 });

  it("expects all the output that is allowed until a first answer is known", () => {
    expect(createTokenEstimates().expectedOutput("m", "t", 2_048)).toBe(2_048);
  });

  it("corrects the estimate of input by what the model reported", () => {
    const estimates = createTokenEstimates();
    for (let row = 0; row < 20; row++) estimates.note("m", "t", 100, usage(130, 10));
    expect(estimates.inputFactor("m")).toBeCloseTo(1.3, 6);
    expect(estimates.inputFactor("another")).toBe(1);
  });

  it("expects a little more than the mean of outputs, by task, and follows when they change", () => {
    const estimates = createTokenEstimates();
    for (let row = 0; row < 200; row++) estimates.note("m", "t", 100, usage(100, row % 2 === 0 ? 80 : 120));
    expect(estimates.expectedOutput("m", "t", 2_048)).toBeGreaterThan(110);
    expect(estimates.expectedOutput("m", "t", 2_048)).toBeLessThan(130);
    expect(estimates.expectedOutput("m", "another", 2_048)).toBe(2_048);
    for (let row = 0; row < 200; row++) estimates.note("m", "t", 100, usage(100, 500));
    expect(estimates.expectedOutput("m", "t", 2_048)).toBeGreaterThan(480);
  });

  it("learns nothing from a backend that reports no usage", () => {
    const estimates = createTokenEstimates();
    estimates.note("m", "t", 100, usage(0, 0));
    expect(estimates.inputFactor("m")).toBe(1);
    expect(estimates.expectedOutput("m", "t", 64)).toBe(64);
  });
});
