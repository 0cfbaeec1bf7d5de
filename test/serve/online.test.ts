import type OpenAI from "openai";
import { describe, expect, it } from "vitest";
import { givenBackend } from "../support/given-backend.ts";
import { withRedis } from "../support/redis-server.ts";
import { batchLines, givenBatchOf, givenServer } from "../support/serve.ts";
import { until } from "../support/until.ts";

const redis = withRedis();

const about = (key: string, change: Partial<OpenAI.ChatCompletionCreateParams> = {}) => ({
  model: "small",
  messages: [{ role: "user" as const, content: `say something about #${key}` }],
  ...change,
  stream: false as const,
});
const inPieces = (key: string, change: Partial<OpenAI.ChatCompletionCreateParams> = {}) => ({
  ...about(key, change),
  stream: true as const,
  stream_options: { include_usage: true },
});

async function textOf(stream: AsyncIterable<OpenAI.ChatCompletionChunk>) {
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { chunks, text: chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("") };
}

describe("an online call by OpenAI's Node SDK", () => {
  it("is answered, and sends what the request says", async () => {
    const bodies: Record<string, unknown>[] = [];
    const { client } = await givenServer(redis, { backend: { answer: ({ body }) => `saw ${bodies.push(body)}` } });
    const options = { max_completion_tokens: 9, temperature: 0.5, top_p: 0.9, stop: ["END"], seed: 3 };
    const completion = await client.chat.completions.create(about("a", { ...options, metadata: { task: "simple" } }));
    expect(completion).toMatchObject({
      id: expect.stringMatching(/^chatcmpl-[0-9a-f]{24}$/),
      object: "chat.completion",
      choices: [{ index: 0, message: { role: "assistant", content: "saw 1" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 },
    });
    expect(bodies[0]).toMatchObject({ ...options, messages: about("a").messages, model: "simulated-model" });
    expect(bodies[0]).not.toHaveProperty("metadata");
    expect(bodies[0]).not.toHaveProperty("stream");
  });

  it("comes in pieces when that is asked for", async () => {
    const { client } = await givenServer(redis);
    const { chunks, text } = await textOf(await client.chat.completions.create(inPieces("a")));
    expect(text).toBe("answer to a");
    expect(chunks.length).toBeGreaterThan(4);
    expect(chunks.at(-2)).toMatchObject({ choices: [{ finish_reason: "stop" }], usage: null });
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 25 } });
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
    const runner = client.chat.completions.stream(inPieces("b"));
    expect((await runner.finalChatCompletion()).choices[0]?.message.content).toBe("answer to b");
  });

  it.each(["anthropic", "ollama"] as const)("comes in pieces from a tier of %s, too", async (provider) => {
    const other = await givenBackend();
    const baseUrl = other.baseUrl.replace("/v1", "");
    const { client } = await givenServer(redis, {
      config: {
        tiers: { other: { provider, baseUrl, location: "local", concurrency: 2 } },
        models: { other: { tier: "other", model: "some-model" } },
      },
    });
    const { chunks, text } = await textOf(await client.chat.completions.create(inPieces("a", { model: "other" })));
    expect(text).toBe("answer to a");
    expect(chunks.length).toBeGreaterThan(4);
    expect(chunks.at(-1)?.usage).toMatchObject({ prompt_tokens: 20, completion_tokens: 5 });
    const whole = await client.chat.completions.create(about("b", { model: "other" }));
    expect(whole.choices[0]?.message.content).toBe("answer to b");
  });

  it("knows models by their alias, their provider's id and their task", async () => {
    const { client } = await givenServer(redis);
    for (const model of ["small", "simulated-model", "lab/other", "task:simple", "auto"]) {
      expect((await client.chat.completions.create(about("a", { model }))).choices).toHaveLength(1);
    }
    for (const model of ["smal", "task:simpel", "elsewhere/x"]) {
      await expect(client.chat.completions.create(about("a", { model }))).rejects.toMatchObject({
        status: 404,
        code: "model_not_found",
        param: "model",
      });
    }
  });

  it("holds its answer to a schema", async () => {
    let asked = 0;
    const { client } = await givenServer(redis, {
      backend: { answer: () => (++asked === 1 ? "no JSON" : '{"stars":4}') },
    });
    const schema = { type: "object", properties: { stars: { type: "integer" } }, required: ["stars"] };
    const response_format = { type: "json_schema" as const, json_schema: { name: "review", schema } };
    const request = about("a", { response_format });
    const completion = await client.chat.completions.create(request);
    expect(completion.choices[0]?.message.content).toBe('{"stars":4}');
    expect(asked).toBe(2);
    const { text } = await textOf(await client.chat.completions.create({ ...request, stream: true }));
    expect(text).toBe('{"stars":4}');
  });

  it("is refused in OpenAI's shape for what is wrong with it", async () => {
    const limits = { maxBodyBytes: 10_000 };
    const { client, url, backend } = await givenServer(redis, { config: { serve: { limits } } });
    const send = (body: string, type = "application/json") =>
      fetch(`${url}/v1/chat/completions`, { method: "POST", headers: { "content-type": type }, body });
    for (const [body, status, words] of [
      ["{", 400, "JSON"],
      ["[]", 400, "JSON object"],
      ['{"model":"small"}', 400, "messages"],
      ['{"model":7,"messages":[]}', 400, "model"],
      ['{"model":"small","messages":[{"role":"user","content":"x"}],"metadata":{"private":"yes"}}', 400, "private"],
      ['{"model":"small","messages":[{"role":"user","content":"x"}],"metadata":{"task":"simpel"}}', 400, "simple"],
      ['{"model":"small","stream":true,"n":2,"messages":[{"role":"user","content":"x"}]}', 400, "n:"],
    ] as const) {
      const response = await send(body);
      expect(response.status, body).toBe(status);
      const { error } = (await response.json()) as { error: { message: string; type: string } };
      expect(error).toMatchObject({ message: expect.stringContaining(words), type: "invalid_request_error" });
    }
    expect((await send("{}", "text/plain")).status).toBe(400);
    expect(backend.requests()).toBe(0);
    await expect(
      client.chat.completions.create(about("a", { messages: [{ role: "user", content: "x".repeat(20_000) }] })),
    ).rejects.toMatchObject({ status: 413 });
  });

  it("says by its status what its backend does", async () => {
    const { client, backend } = await givenServer(redis, { config: { tiers: {}, tasks: {} } });
    const failing = async (status: number, body: object = {}, headers = {}) => {
      backend.setBehaviour({ fault: { kind: "status", status, body: JSON.stringify(body), headers } });
      const error = await client.chat.completions.create(about("a")).catch((thrown: unknown) => thrown);
      return error as InstanceType<typeof OpenAI.APIError>;
    };
    const tooLong = { error: { message: "maximum context length is 10 tokens", code: "context_length_exceeded" } };
    expect(await failing(400, tooLong)).toMatchObject({ status: 400, code: "context_length_exceeded" });
    expect(await failing(400, { error: { message: "bad stop" } })).toMatchObject({ status: 400 });
    expect(await failing(500)).toMatchObject({ status: 502 });
    const throttled = await failing(429, {}, { "retry-after": "7" });
    expect(throttled).toMatchObject({ status: 429, code: "rate_limit_exceeded" });
    expect(Number(throttled.headers?.get("retry-after"))).toBe(7);
    // It is paused now, and nothing is sent.
    const before = backend.requests();
    const paused = await failing(200);
    expect(paused).toMatchObject({ status: 503 });
    expect(Number(paused.headers?.get("retry-after"))).toBeGreaterThan(3);
    expect(backend.requests()).toBe(before);
  });

  it("goes to the next model of its task when the first is down, and not once it has begun", async () => {
    const spare = await givenBackend();
    const { client, backend } = await givenServer(redis, {
      backend: { fault: { kind: "status", status: 500 } },
      config: {
        tiers: { spare: { provider: "openai-compatible", baseUrl: spare.baseUrl, location: "local", concurrency: 2 } },
        models: { spare: { tier: "spare", model: "simulated-model" } },
        tasks: { both: { primary: "small", fallback: ["spare"] } },
      },
    });
    const request = { model: "task:both" };
    const { text } = await textOf(await client.chat.completions.create(inPieces("a", request)));
    expect(text).toBe("answer to a");
    expect(spare.countsByKey.get("a")).toBe(1);
    backend.setBehaviour({ fault: { kind: "reset-in-body" } });
    const told: string[] = [];
    const reading = async () => {
      for await (const chunk of await client.chat.completions.create(inPieces("b", request))) {
        told.push(chunk.choices[0]?.delta.content ?? "");
      }
    };
    await expect(reading()).rejects.toThrow(/reset|closed|connection/i);
    expect("answer to b".startsWith(told.join(""))).toBe(true);
    expect(told.join("")).not.toBe("");
    expect(spare.countsByKey.get("b")).toBeUndefined();
  });

  it("ends at the backend when its client goes away", async () => {
    const { client, backend } = await givenServer(redis, { backend: { latencyMs: 60_000 } });
    for (const request of [about("a"), inPieces("b")]) {
      const abort = new AbortController();
      const asked = client.chat.completions.create(request as never, { signal: abort.signal });
      await until("the backend to be asked", () => backend.inFlight === 1);
      abort.abort();
      await expect(asked).rejects.toThrow(/abort/i);
      await until("the backend to be left", () => backend.inFlight === 0);
    }
  });

  it("is private when it says so", async () => {
    const cloud = await givenBackend();
    const { client } = await givenServer(redis, {
      config: {
        tiers: { cloud: { provider: "openai-compatible", baseUrl: cloud.baseUrl, location: "cloud", concurrency: 2 } },
        models: { large: { tier: "cloud", model: "simulated-model" } },
      },
    });
    for (const stream of [true, false]) {
      const request = { ...about("a", { model: "large", metadata: { private: "true" } }), stream };
      await expect(client.chat.completions.create(request)).rejects.toMatchObject({
        status: 403,
        code: "policy_refused",
      });
    }
    expect(cloud.requests()).toBe(0);
  });

  it("is answered at once while a batch keeps its tier busy", async () => {
    const { client, backend } = await givenServer(redis, { concurrency: 4, backend: { latencyMs: 60_000 } });
    await givenBatchOf(client, batchLines(20, "b"));
    await until("the batch to have all slots but one", () => backend.inFlight === 3);
    backend.setBehaviour({ latencyMs: 0 });
    expect((await client.chat.completions.create(about("now"))).choices[0]?.message.content).toBe("answer to now");
    expect(backend.peakInFlight).toBe(4);
  });

  it("passes tool calls, whole where the answer comes in pieces", async () => {
    const call = {
      id: "call_1",
      type: "function" as const,
      function: { name: "weather", arguments: '{"city":"Graz"}' },
    };
    const body = {
      id: "x",
      model: "m",
      choices: [{ message: { role: "assistant", content: null, tool_calls: [call] }, finish_reason: "tool_calls" }],
    };
    const fault = { kind: "status" as const, status: 200, body: JSON.stringify(body) };
    const { client } = await givenServer(redis, { backend: { fault } });
    const tools = [{ type: "function" as const, function: { name: "weather", parameters: { type: "object" } } }];
    const whole = await client.chat.completions.create(about("a", { tools }));
    expect(whole.choices[0]).toMatchObject({ finish_reason: "tool_calls", message: { tool_calls: [call] } });
    const streamed = await client.chat.completions.stream(inPieces("a", { tools })).finalChatCompletion();
    expect(streamed.choices[0]).toMatchObject({ finish_reason: "tool_calls", message: { tool_calls: [call] } });
  });
});
