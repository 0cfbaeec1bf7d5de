import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Endpoint } from "../../workers/adapter.ts";
import { finishReasonOf } from "../../workers/anthropic-message.ts";
import { adapters } from "../../workers/index.ts";
import { apiKey, callWith, connectTo, dialects, prompt } from "../conformance/dialects.ts";
import { replyJson, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";

const { answer } = dialects.anthropic!;
let server: ScriptedServer;
let endpoint: Endpoint;
beforeEach(async () => {
  server = await startScriptedServer();
  server.play(replyJson(200, answer("ok")));
  endpoint = connectTo("anthropic", server);
});
afterEach(async () => {
  await endpoint.close();
  await server.close();
});
const bodies = () => server.received.map(({ body }) => JSON.parse(body));

it("names the version of the API that its client speaks, and sends the key as that version wants it", async () => {
  await endpoint.call(callWith());
  expect(server.received[0]?.headers).toMatchObject({
    "anthropic-version": expect.stringMatching(/^20\d\d-\d\d-\d\d$/),
    authorization: `Bearer ${apiKey}`,
  });
  expect(server.received[0]?.headers["x-api-key"]).toBeUndefined();
});

it("brings system messages together, wherever they stand, and leaves the others in their order", async () => {
  const messages = [
    { role: "system" as const, content: "Be short." },
    { role: "user" as const, content: "Hi" },
    { role: "assistant" as const, content: "Hello" },
    { role: "developer" as const, content: "Be kind." },
    { role: "user" as const, content: "Bye" },
  ];
  await endpoint.call(callWith({ request: { messages } }));
  expect(bodies()).toEqual([
    {
      model: "some-model",
      max_tokens: 77,
      system: "Be short.\n\nBe kind.",
      messages: [messages[1], messages[2], messages[4]],
    },
  ]);
});

it("asks for a long answer in one piece, which its client would refuse by itself", async () => {
  expect(await endpoint.call(callWith({ maxOutputTokens: 64_000 }))).toMatchObject({ kind: "answered" });
  expect(bodies()[0]).toMatchObject({ max_tokens: 64_000 });
});

it("leaves out stop sequences of white space, which the API refuses", async () => {
  const request = { messages: [{ role: "user" as const, content: prompt }], stop: ["\n", "END"] };
  expect(await endpoint.call(callWith({ request }))).toMatchObject({ answer: { omittedOptions: ["stop"] } });
  expect(bodies()[0].stop_sequences).toEqual(["END"]);
});

it("answers OpenAI lines, and says which of their options it left out", async () => {
  const openaiBody = {
    model: "m",
    messages: [
      { role: "system", content: [{ type: "text", text: "Be short." }] },
      { role: "user", content: "Hi" },
    ],
    max_completion_tokens: 9,
    stop: "END",
    temperature: 0.2,
    tools: [],
  };
  expect(await endpoint.call(callWith({ request: { messages: [], openaiBody } }))).toMatchObject({
    kind: "answered",
    answer: { omittedOptions: ["tools", "temperature"] },
  });
  expect(bodies()).toEqual([
    {
      model: "some-model",
      max_tokens: 9,
      system: "Be short.",
      stop_sequences: ["END"],
      messages: [{ role: "user", content: "Hi" }],
    },
  ]);
});

it("sends the params of an Anthropic batch request whole, but for its model, streaming and what the API refuses", async () => {
  const params = {
    model: "task:simple",
    max_tokens: 9,
    system: [{ type: "text", text: "Be short.", cache_control: { type: "ephemeral" } }],
    messages: [{ role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: "42" }] }],
    tools: [{ name: "look", input_schema: { type: "object" } }],
  };
  const anthropicBody = { ...params, stream: false, temperature: 1, top_k: 5, top_p: null };
  const outcome = await endpoint.call(callWith({ request: { messages: [], anthropicBody } }));
  expect(bodies()).toEqual([{ ...params, model: "some-model" }]);
  expect(outcome).toMatchObject({
    kind: "answered",
    answer: { text: "ok", anthropicBody: JSON.parse(answer("ok")), omittedOptions: ["temperature", "top_k"] },
  });
  expect(await endpoint.call(callWith({ strict: true, request: { messages: [], anthropicBody } }))).toMatchObject({
    kind: "rejected",
    message: expect.stringContaining("temperature, top_k (--strict)"),
  });
  const { max_tokens: _limit, ...unlimited } = params;
  await endpoint.call(callWith({ request: { messages: [], anthropicBody: unlimited } }));
  expect(bodies().at(-1)).toEqual({ ...params, model: "some-model", max_tokens: 77 });
});

it("gives images in Anthropic's form, and refuses what is neither data nor a URL", async () => {
  const withImage = (url: string) => ({
    messages: [
      {
        role: "user" as const,
        content: [
          { type: "text", text: prompt },
          { type: "image_url", image_url: { url } },
        ],
      },
    ],
  });
  await endpoint.call(callWith({ request: withImage("data:image/png;base64,aGVsbG8=") }));
  await endpoint.call(callWith({ request: withImage("https://example.com/cat.png") }));
  const text = { type: "text", text: prompt };
  expect(bodies().map(({ messages }) => messages[0].content)).toEqual([
    [{ type: "image", source: { type: "base64", media_type: "image/png", data: "aGVsbG8=" } }, text],
    [{ type: "image", source: { type: "url", url: "https://example.com/cat.png" } }, text],
  ]);
  for (const url of ["/etc/hostname", "data:image/png,hello"]) {
    expect(await endpoint.call(callWith({ request: withImage(url) }))).toMatchObject({ kind: "rejected" });
  }
  expect(server.received).toHaveLength(2);
});

it("refuses a conversation with tools, which it cannot tell Anthropic", async () => {
  const messages = [{ role: "tool" as const, content: "42" }];
  expect(await endpoint.call(callWith({ request: { messages } }))).toMatchObject({ kind: "rejected" });
  expect(server.received).toHaveLength(0);
});

it("keeps what was written before a refusal, and says that it was cut", async () => {
  server.play(replyJson(200, JSON.stringify({ content: [{ type: "text", text: "First, " }], stop_reason: "refusal" })));
  expect(await endpoint.call(callWith())).toMatchObject({
    kind: "answered",
    answer: { text: "First, ", finishReason: "content_filter" },
  });
});

it("finds the server behind a base URL that ends in /v1, and below a path", async () => {
  for (const path of ["/v1/", "/gateway/anthropic"]) {
    const other = connectTo("anthropic", server, { baseUrl: `${server.origin}${path}` });
    expect(await other.call(callWith())).toMatchObject({ kind: "answered" });
    await other.close();
  }
  expect(server.received.map(({ path }) => path)).toEqual(["/v1/messages", "/gateway/anthropic/v1/messages"]);
});

it("works without a key, and looks for none on this machine", async () => {
  const { anthropic } = adapters;
  const options = { tier: "t", baseUrl: server.origin, location: "local", trustedHosts: [], concurrency: 1 } as const;
  const open = anthropic.connect(options);
  expect(await open.call(callWith())).toMatchObject({ kind: "answered" });
  expect(server.received[0]?.headers.authorization).toBeUndefined();
  await open.close();
});

describe("a stop reason in OpenAI's words", () => {
  it.each([
    ["end_turn", "stop"],
    ["stop_sequence", "stop"],
    ["max_tokens", "length"],
    ["model_context_window_exceeded", "length"],
    ["tool_use", "tool_calls"],
    ["refusal", "content_filter"],
    ["pause_turn", "pause_turn"],
    ["something_new", "something_new"],
    ["", "stop"],
    [null, "stop"],
    [7, "stop"],
  ])("is, for %j, %j", (reason, word) => {
    expect(finishReasonOf(reason)).toBe(word);
  });
});
