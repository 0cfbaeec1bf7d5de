import { expect, it } from "vitest";
import type { RowPayload } from "../../src/job/batch.ts";
import type { Outcome } from "../../src/job/outcome.ts";
import type { AnswerForm, PromptRequest } from "../../src/job/row.ts";
import { askInForm } from "../../src/pool/ask-in-form.ts";
import { answeredLine } from "../../src/pool/result-of-call.ts";

const usage = { inputTokens: 10, outputTokens: 2, cachedTokens: 1 };
const answered = (text: string): Outcome => ({
  kind: "answered",
  answer: { text, finishReason: "stop", usage, model: "m" },
});
const choices: AnswerForm = { choices: ["good", "bad"] };

const ask = (answerForm: AnswerForm | undefined, ...outcomes: Outcome[]) =>
  askRequest(
    { messages: [{ role: "user" as const, content: "Well?" }], ...(answerForm && { answerForm }) },
    ...outcomes,
  );

/** Asks a row whose calls end so, one after the other. */
async function askRequest(request: PromptRequest, ...outcomes: Outcome[]) {
  const requests: PromptRequest[] = [];
  const attempts: number[] = [];
  const payload: RowPayload = { id: "a", task: null, private: false, route: ["model"], request };
  const model = {
    alias: "model",
    tier: "tier",
    model: "m",
    maxOutputTokens: 9,
    defaults: {},
    price: { inputPerMTok: 1_000_000, outputPerMTok: 0 },
  };
  const row = { row: 0, payload, model, attempts: 0 };
  const end = await askInForm(row, async (asked) => {
    requests.push(asked.payload.request);
    attempts.push(asked.attempts);
    const outcome = outcomes[requests.length - 1]!;
    return { outcome, latencyMs: 100, answeredCount: 0, answeredCountAtStart: 0 };
  });
  const line = () => (end.outcome.kind === "answered" ? answeredLine(row, end, end.outcome.answer) : undefined);
  return { end, requests, attempts, line };
}

it("a row without a form is asked once, whatever the answer is", async () => {
  const { end, requests, line } = await ask(undefined, answered(""));
  expect(requests).toHaveLength(1);
  expect(end.repairs).toBe(0);
  expect(line()).toMatchObject({ status: "answered", text: "", attempts: 1 });
});

it("an answer that fits is recorded as it is meant", async () => {
  const { requests, line } = await ask(choices, answered("Good."));
  expect(requests).toHaveLength(1);
  expect(line()).toMatchObject({ status: "answered", text: "good", attempts: 1, usage: { output_tokens: 2 } });
  const schema = await ask({ schema: { type: "number" } }, answered("5"));
  expect(schema.line()).toMatchObject({ status: "answered", text: "5", json: 5 });
});

it("one that does not is shown to the model with what is wrong with it, and both calls count", async () => {
  const { requests, attempts, line } = await ask(choices, answered("so-so"), answered("bad"));
  // So they are told apart on the audit's record.
  expect(attempts).toEqual([0, 1]);
  expect(requests[1]?.messages).toEqual([
    { role: "user", content: "Well?" },
    { role: "assistant", content: "so-so" },
    {
      role: "user",
      content:
        'That answer cannot be used: it is not one of ["good","bad"] alone. Answer again with exactly one of these and nothing else: good | bad',
    },
  ]);
  expect(requests[1]?.answerForm).toEqual(choices);
  expect(line()).toMatchObject({
    status: "answered",
    text: "bad",
    attempts: 2,
    latency_ms: 200,
    usage: { input_tokens: 20, output_tokens: 4, cached_tokens: 2 },
    cost_usd: 20,
    error: null,
  });
});

it("a second one that does not fit either fails the row, and is kept and paid for", async () => {
  const { requests, line } = await ask(choices, answered("so-so"), answered(""));
  expect(requests).toHaveLength(2);
  expect(line()).toMatchObject({
    status: "failed",
    text: "",
    attempts: 2,
    cost_usd: 20,
    error: {
      code: "invalid_answer",
      message: 'the answer is not what the row asks for: it is not one of ["good","bad"] alone',
    },
  });
  expect(line()).not.toHaveProperty("json");
});

it.each<[string, Partial<PromptRequest>, (request: PromptRequest | undefined) => unknown]>([
  ["a chat body", { openaiBody: { messages: [{ role: "user", content: "Well?" }] } }, (r) => r?.openaiBody?.messages],
  ["a response's text", { openaiBody: { input: "Well?" }, endpoint: "/v1/responses" }, (r) => r?.openaiBody?.input],
  [
    "a response's items",
    { openaiBody: { input: [{ role: "user", content: "Well?" }] }, endpoint: "/v1/responses" },
    (r) => r?.openaiBody?.input,
  ],
  [
    "Anthropic's params",
    { anthropicBody: { messages: [{ role: "user", content: "Well?" }] } },
    (r) => r?.anthropicBody?.messages,
  ],
])("%s is followed by the answer that does not fit and what is wrong with it", async (_what, own, askedIn) => {
  const request = { messages: [], answerForm: choices, ...own };
  const { requests } = await askRequest(request, answered("so-so"), answered("bad"));
  expect(askedIn(requests[1])).toEqual([
    { role: "user", content: "Well?" },
    { role: "assistant", content: "so-so" },
    { role: "user", content: expect.stringContaining("That answer cannot be used") },
  ]);
});

it("an empty answer is shown as such, since some servers refuse an empty message", async () => {
  const { requests } = await ask(choices, answered(" "), answered("bad"));
  expect(requests[1]?.messages[1]).toEqual({ role: "assistant", content: "(no answer)" });
});

it("a repair that the backend refuses is the end of the row; one that finds the backend gone is not", async () => {
  const refused = await ask(choices, answered("so-so"), { kind: "context-overflow", message: "too long" });
  expect(refused.line()).toMatchObject({
    status: "failed",
    text: "so-so",
    attempts: 2,
    error: { code: "invalid_answer" },
  });
  const gone: Outcome = { kind: "unreachable", message: "gone" };
  expect((await ask(choices, answered("so-so"), gone)).end.outcome).toEqual(gone);
  expect((await ask(choices, gone)).end.outcome).toEqual(gone);
});
