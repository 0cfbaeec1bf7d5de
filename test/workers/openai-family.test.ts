import { afterEach, beforeEach, expect, it } from "vitest";
import { callWith, connectTo, dialects } from "../conformance/dialects.ts";
import { reply, replyJson, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";

const { answer, error, models } = dialects["openai-compatible"]!;
let server: ScriptedServer;
beforeEach(async () => {
  server = await startScriptedServer();
});
afterEach(() => server.close());
const bodies = () => server.received.map(({ body }) => JSON.parse(body));

it("sends the body of an OpenAI line whole, but for its model and streaming, and gives the answer back whole", async () => {
  const endpoint = connectTo("openai-compatible", server);
  server.play(replyJson(200, answer("hi", { input: 2, output: 1 })));
  const openaiBody = {
    model: "gpt-of-the-line",
    messages: [{ role: "user", content: "x" }],
    logit_bias: { 5: 1 },
    stream: true,
    stream_options: { include_usage: true },
  };
  const outcome = await endpoint.call(
    callWith({ request: { messages: [], openaiBody }, defaults: { temperature: 1 } }),
  );
  expect(bodies()).toEqual([{ model: "some-model", messages: openaiBody.messages, logit_bias: { 5: 1 } }]);
  expect(outcome).toMatchObject({ answer: { openaiBody: JSON.parse(answer("hi", { input: 2, output: 1 })) } });
  await endpoint.close();
});

it("leaves out a default limit that the model's context has no room for, but never a row's own", async () => {
  const endpoint = connectTo("openai-compatible", server);
  server.play((request, response) => {
    const refused = "max_tokens" in JSON.parse(request.body);
    const tooMuch = error("This model's maximum context length is 512 tokens");
    (refused ? replyJson(400, tooMuch) : replyJson(200, answer("fits")))(request, response);
  });
  expect(await endpoint.call(callWith({ maxOutputTokens: 2_048 }))).toMatchObject({ kind: "answered" });
  expect(bodies().map(({ max_tokens }) => max_tokens)).toEqual([2_048, undefined]);
  const own = { messages: [{ role: "user" as const, content: "x" }], maxOutputTokens: 2_048 };
  expect(await endpoint.call(callWith({ request: own, maxOutputTokens: 2_048 }))).toMatchObject({
    kind: "context-overflow",
  });
  expect(server.received).toHaveLength(3);
  await endpoint.close();
});

it("knows after a probe of vLLM that a default limit is above the context, and asks once", async () => {
  const endpoint = connectTo("vllm", server);
  const list = JSON.stringify({ data: [{ id: "some-model", max_model_len: 512 }] });
  server.play(replyJson(200, list));
  expect(await endpoint.probe(new AbortController().signal)).toEqual({ usable: true, models: ["some-model"] });
  expect(server.received.map(({ path }) => path)).toEqual(["/health", "/v1/models"]);
  server.play(replyJson(200, answer("fits")));
  await endpoint.call(callWith({ maxOutputTokens: 2_048 }));
  await endpoint.call(callWith({ maxOutputTokens: 100 }));
  expect(bodies().map(({ max_tokens }) => max_tokens)).toEqual([undefined, 100]);
  await endpoint.close();
});

it("finds a vLLM whose engine is dead not usable although it lists its models", async () => {
  const endpoint = connectTo("vllm", server, { baseUrl: server.origin });
  server.play((request, response) =>
    (request.path === "/health" ? reply(503, {}, "") : replyJson(200, models(["a"])))(request, response),
  );
  expect(await endpoint.probe(new AbortController().signal)).toMatchObject({
    usable: false,
    outcome: { kind: "server-error" },
  });
  await endpoint.close();
});

it("finds a LocalAI that still loads its models throttled, not broken", async () => {
  const endpoint = connectTo("localai", server);
  server.play(replyJson(503, '{"status":"starting"}'));
  expect(await endpoint.probe(new AbortController().signal)).toMatchObject({
    usable: false,
    outcome: { kind: "throttled" },
  });
  expect(server.received.map(({ path }) => path)).toEqual(["/readyz"]);
  expect(await endpoint.call(callWith())).toMatchObject({ kind: "throttled" });
  await endpoint.close();
});

it("reads an error that comes with status 200 by the status that it names", async () => {
  const endpoint = connectTo("openai-compatible", server);
  server.play(
    replyJson(200, JSON.stringify({ error: { message: "Rate limit exceeded", code: 429 } }), { "retry-after": "2" }),
  );
  expect(await endpoint.call(callWith())).toMatchObject({ kind: "throttled", retryAfterMs: 2_000 });
  await endpoint.close();
});

it.each([
  [
    "text in parts",
    {
      content: [
        { type: "text", text: "a" },
        { type: "text", text: "b" },
      ],
    },
    "ab",
  ],
  ["a refusal", { content: null, refusal: "I will not." }, "I will not."],
  ["a call of a tool", { content: null, tool_calls: [{}] }, ""],
])("gives the text of a message that holds %s", async (_what, message, text) => {
  const endpoint = connectTo("openai-compatible", server);
  server.play(replyJson(200, JSON.stringify({ choices: [{ message, finish_reason: "stop" }] })));
  expect(await endpoint.call(callWith())).toMatchObject({ kind: "answered", answer: { text, model: "some-model" } });
  await endpoint.close();
});

const chunks = (...all: object[]) => all.map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`).join("");

it("asks for pieces without an option that the server refuses, and the next rows at once so", async () => {
  const endpoint = connectTo("openai-compatible", server);
  const { start, delta, end } = dialects["openai-compatible"]!.pieces;
  server.play((request, response) => {
    const isRefused = request.body.includes("stream_options");
    const [status, type] = isRefused ? [422, "application/json"] : [200, "text/event-stream"];
    response.writeHead(Number(status), { "content-type": String(type) });
    response.end(isRefused ? error("extra field: stream_options") : start + delta("Hi") + end({ input: 1, output: 1 }));
  });
  for (let row = 0; row < 2; row++) {
    expect(await endpoint.call(callWith({ onText: () => {} }))).toMatchObject({ answer: { text: "Hi" } });
  }
  expect(bodies().map(({ stream, stream_options: options }) => [stream, options !== undefined])).toEqual([
    [true, true],
    [true, false],
    [true, false],
  ]);
  await endpoint.close();
});

it("puts an answer in pieces together: tool calls by their index, thoughts, several choices", async () => {
  const endpoint = connectTo("openai-compatible", server);
  const piece = (delta: object, finish_reason: string | null = null, index = 0) => ({
    id: "x",
    model: "m",
    choices: [{ index, delta, finish_reason }],
  });
  const call = (index: number, more: object) => ({ tool_calls: [{ index, ...more }] });
  server.play(
    reply(
      200,
      { "content-type": "text/event-stream" },
      chunks(
        piece({ role: "assistant", content: null, reasoning_content: "Let me" }),
        piece({ role: "assistant", reasoning_content: " see." }),
        piece(call(0, { id: "call_1", type: "function", function: { name: "look", arguments: "" } })),
        piece(call(1, { id: "call_2", type: "function", function: { name: "look", arguments: '{"at":' } })),
        piece(call(1, { function: { arguments: "2}" } })),
        piece(call(0, { id: "", function: { arguments: '{"at":1}' } })),
        piece({ content: "other" }, "stop", 1),
        piece({}, "tool_calls"),
      ),
    ),
  );
  const told: string[] = [];
  const openaiBody = { model: "m", messages: [{ role: "user", content: "x" }] };
  const outcome = await endpoint.call(
    callWith({ request: { messages: [], openaiBody }, onText: (delta) => told.push(delta) }),
  );
  const tool = (id: string, args: string) => ({ id, type: "function", function: { name: "look", arguments: args } });
  expect(outcome).toMatchObject({
    answer: {
      finishReason: "tool_calls",
      openaiBody: {
        object: "chat.completion",
        choices: [
          {
            message: {
              role: "assistant",
              content: null,
              reasoning_content: "Let me see.",
              tool_calls: [tool("call_1", '{"at":1}'), tool("call_2", '{"at":2}')],
            },
          },
          { message: { content: "other" }, finish_reason: "stop" },
        ],
      },
    },
  });
  expect(told).toEqual([]);
  await endpoint.close();
});
