import { afterEach, beforeEach, expect, it } from "vitest";
import type { Endpoint } from "../../workers/adapter.ts";
import { callWith, connectTo, dialects, prompt } from "../conformance/dialects.ts";
import { replyJson, type Script, type ScriptedServer, startScriptedServer } from "../support/scripted-server.ts";

const { answer } = dialects.openai!;
let server: ScriptedServer;
let endpoint: Endpoint;
beforeEach(async () => {
  server = await startScriptedServer();
  endpoint = connectTo("openai", server);
});
afterEach(async () => {
  await endpoint.close();
  await server.close();
});
const bodies = () => server.received.map(({ body }) => JSON.parse(body));
const messages = [{ role: "user" as const, content: prompt }];

/** A model that takes none of these, as OpenAI's reasoning models say it (github.com/quelmap-inc/quelmap/issues/4). */
function reasoningModel(...refused: readonly string[]): Script {
  return (request, response) => {
    const param = refused.find((name) => name in JSON.parse(request.body));
    if (param === undefined) return replyJson(200, answer("thought"))(request, response);
    const [code, words] =
      param === "temperature"
        ? ["unsupported_value", "does not support 0.2 with this model. Only the default (1) value is supported."]
        : ["unsupported_parameter", "is not supported with this model."];
    const error = { message: `Unsupported: '${param}' ${words}`, type: "invalid_request_error", param, code };
    replyJson(400, JSON.stringify({ error }))(request, response);
  };
}

it("learns from a model's answer which options it refuses, asks again without them, and knows them from then on", async () => {
  server.play(reasoningModel("temperature", "top_p", "stop"));
  const call = callWith({ request: { messages, temperature: 0.2, topP: 0.5, stop: ["END"], seed: 1 } });
  const omittedOptions = ["temperature", "top_p", "stop"];
  expect(await endpoint.call(call)).toMatchObject({ kind: "answered", answer: { text: "thought", omittedOptions } });
  expect(bodies()).toHaveLength(4);
  expect(await endpoint.call(call)).toMatchObject({ kind: "answered", answer: { omittedOptions } });
  expect(bodies()).toHaveLength(5);
  expect(bodies().at(-1)).toMatchObject({ max_completion_tokens: 77, seed: 1 });
  // Another row that does not ask for them has lost nothing.
  const plain = await endpoint.call(callWith());
  expect((plain as { answer: object }).answer).not.toHaveProperty("omittedOptions");
});

it("learns it for that model alone", async () => {
  server.play((request, response) =>
    JSON.parse(request.body).model === "o9"
      ? reasoningModel("temperature")(request, response)
      : replyJson(200, answer("ok"))(request, response),
  );
  const request = { messages, temperature: 0.2 };
  await endpoint.call(callWith({ model: "o9", request }));
  await endpoint.call(callWith({ model: "gpt-4.1", request }));
  expect(bodies().at(-1)).toMatchObject({ model: "gpt-4.1", temperature: 0.2 });
});

it("asks each of many rows at once no more than once more", async () => {
  server.play(reasoningModel("temperature"));
  const call = callWith({ request: { messages, temperature: 0.2 } });
  const outcomes = await Promise.all(Array.from({ length: 20 }, () => endpoint.call(call)));
  expect(outcomes.every(({ kind }) => kind === "answered")).toBe(true);
  expect(server.received.length).toBeLessThanOrEqual(40);
});

it("rejects a strict row with such an option, at first and later", async () => {
  server.play(reasoningModel("temperature"));
  const call = callWith({ strict: true, request: { messages, temperature: 0.2 } });
  for (let count = 0; count < 2; count++) {
    expect(await endpoint.call(call)).toMatchObject({ kind: "rejected", message: expect.stringContaining("--strict") });
  }
  expect(server.received).toHaveLength(1);
});

it("gives an OpenAI line's older limit its newer name for a model that wants it, and never drops it", async () => {
  server.play(reasoningModel("max_tokens"));
  const openaiBody = { model: "m", messages, max_tokens: 9, service_tier: "flex" };
  const outcome = await endpoint.call(callWith({ request: { messages: [], openaiBody } }));
  expect(outcome).toMatchObject({ kind: "answered", answer: { openaiBody: JSON.parse(answer("thought")) } });
  expect((outcome as { answer: object }).answer).not.toHaveProperty("omittedOptions");
  expect(bodies()).toEqual([
    { model: "some-model", messages, max_tokens: 9, service_tier: "flex" },
    { model: "some-model", messages, max_completion_tokens: 9, service_tier: "flex" },
  ]);
});

it.each(["tools", "response_format", "service_tier"])(
  "rejects a line whose %s the model refuses: without it the answer would be another",
  async (name) => {
    server.play(reasoningModel(name));
    const openaiBody = { model: "m", messages, [name]: "x" };
    expect(await endpoint.call(callWith({ request: { messages: [], openaiBody } }))).toMatchObject({
      kind: "rejected",
    });
    expect(server.received).toHaveLength(1);
  },
);

it("rejects a row for whom leaving the option out does not help, instead of asking for ever", async () => {
  const error = { message: "no", type: "invalid_request_error", param: "temperature", code: "unsupported_value" };
  server.play(replyJson(400, JSON.stringify({ error })));
  const call = callWith({ request: { messages, temperature: 0.2 } });
  expect(await endpoint.call(call)).toMatchObject({ kind: "rejected" });
  expect(server.received).toHaveLength(2);
});

it("bounds all its requests for a row by one deadline", async () => {
  // Its client is loaded by then.
  server.play(replyJson(200, answer("ok")));
  await endpoint.call(callWith());
  let asked = 0;
  server.play((request, response) => {
    asked++;
    // The second request is never answered.
    if (asked === 1) setTimeout(() => reasoningModel("temperature")(request, response), 400);
  });
  const startedAtMs = performance.now();
  const call = callWith({ timeoutMs: 500, request: { messages, temperature: 0.2 } });
  expect(await endpoint.call(call)).toMatchObject({ kind: "timed-out" });
  expect(asked).toBe(2);
  expect(performance.now() - startedAtMs).toBeLessThan(800);
});
