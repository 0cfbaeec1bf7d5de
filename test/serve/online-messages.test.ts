import Anthropic from "@anthropic-ai/sdk";
import { describe, expect, it } from "vitest";
import { givenBackend } from "../support/given-backend.ts";
import { withRedis } from "../support/redis-server.ts";
import { startScriptedServer } from "../support/scripted-server.ts";
import { givenServer } from "../support/serve.ts";

const redis = withRedis();

const about = (key: string, change: Partial<Anthropic.MessageCreateParamsNonStreaming> = {}) => ({
  model: "small",
  max_tokens: 50,
  messages: [{ role: "user" as const, content: `say something about #${key}` }],
  ...change,
});
const clientOf = (url: string) => new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });

/** A tier of Anthropic's API beside the one that speaks OpenAI's. */
const withAnthropic = (baseUrl: string) => ({
  tiers: { claude: { provider: "anthropic" as const, baseUrl, location: "local" as const, concurrency: 2 } },
  models: { haiku: { tier: "claude", model: "claude-some" } },
});

describe("an online call by Anthropic's Node SDK", () => {
  it("is answered by models of either dialect, at once and in pieces", async () => {
    const claude = await givenBackend();
    const { url } = await givenServer(redis, { config: withAnthropic(claude.baseUrl.replace("/v1", "")) });
    const client = clientOf(url);
    for (const model of ["small", "haiku", "task:simple"]) {
      const message = await client.messages.create(about("a", { model }));
      expect(message).toMatchObject({
        id: expect.stringMatching(/^msg_[0-9a-f]{24}$/),
        content: [{ type: "text", text: "answer to a" }],
        stop_reason: "end_turn",
        usage: { input_tokens: 20, output_tokens: 5 },
      });
      const stream = client.messages.stream(about("b", { model }));
      const told: string[] = [];
      stream.on("text", (delta) => told.push(delta));
      expect(await stream.finalMessage()).toMatchObject({
        content: [{ type: "text", text: "answer to b" }],
        stop_reason: "end_turn",
        usage: { input_tokens: 20, output_tokens: 5 },
      });
      expect(told.length).toBeGreaterThan(1);
    }
    expect(claude.countsByKey.get("a")).toBe(1);
  });

  it("passes what a model calls a tool with, also in pieces", async () => {
    const tool = { type: "tool_use", id: "toolu_1", name: "weather", input: { city: "Graz" } };
    const events = [
      { type: "message_start", message: { id: "m", type: "message", role: "assistant", content: [], usage: {} } },
      { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
      { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Let me look." } },
      { type: "content_block_start", index: 1, content_block: { ...tool, input: {} } },
      { type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: '{"city":' } },
      { type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: '"Graz"}' } },
      { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { input_tokens: 9, output_tokens: 3 } },
      { type: "message_stop" },
    ];
    const backend = await startScriptedServer();
    backend.play((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.end(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""));
    });
    const { url } = await givenServer(redis, { config: withAnthropic(backend.origin) });
    const tools = [{ name: "weather", input_schema: { type: "object" as const } }];
    const message = await clientOf(url)
      .messages.stream(about("a", { model: "haiku", tools }))
      .finalMessage();
    expect(message.content).toMatchObject([{ type: "text", text: "Let me look." }, tool]);
    expect(message).toMatchObject({ stop_reason: "tool_use", usage: { output_tokens: 3 } });
    await backend.close();
  });

  it("is refused in Anthropic's shape", async () => {
    const { url, backend } = await givenServer(redis);
    const client = clientOf(url);
    await expect(client.messages.create(about("a", { model: "smal" }))).rejects.toMatchObject({
      status: 404,
      error: { type: "error", error: { type: "not_found_error", message: expect.stringContaining("small") } },
    });
    await expect(client.messages.create(about("a", { messages: [] }))).rejects.toMatchObject({
      status: 400,
      error: { error: { type: "invalid_request_error" } },
    });
    backend.setBehaviour({ fault: { kind: "reset-in-body" } });
    await expect(client.messages.stream(about("b")).finalMessage()).rejects.toThrow();
    expect(backend.countsByKey.get("b")).toBe(1);
  });
});
