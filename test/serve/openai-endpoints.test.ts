import { expect, test } from "vitest";
import { withRedis } from "../support/redis-server.ts";
import { givenBatchOf, givenServer, linesOfFile, untilEnded } from "../support/serve.ts";

const redis = withRedis();
const line = (id: string, url: string, body: object) =>
  `${JSON.stringify({ custom_id: id, method: "POST", url, body: { model: "small", ...body } })}\n`;

test.each([
  [
    "/v1/embeddings",
    { input: ["#e", "two"] },
    { object: "list", data: [{ embedding: [0, 2] }, { embedding: [1, 3] }] },
  ],
  ["/v1/completions", { prompt: "#c" }, { object: "text_completion", choices: [{ text: "answer to c" }] }],
  ["/v1/responses", { input: "#r" }, { object: "response", output: [{}, { content: [{ text: "answer to r" }] }] }],
] as const)(
  "OpenAI's SDK orders a batch for %s and gets the provider's own answers",
  async (endpoint, body, answer) => {
    const { client } = await givenServer(redis, {
      config: {
        tiers: { claude: { provider: "anthropic", baseUrl: "http://127.0.0.1:9", location: "local" } },
        models: { clouded: { tier: "claude", model: "claude-haiku-5-5" } },
      },
    });
    const lines =
      line("good", endpoint, body) +
      line("empty", endpoint, {}) +
      line("lost", endpoint, { ...body, model: "clouded" });
    const batch = await givenBatchOf(client, lines, { endpoint });
    const ended = await untilEnded(client, batch.id);
    expect(ended).toMatchObject({
      status: "completed",
      endpoint,
      request_counts: { total: 3, completed: 1, failed: 2 },
    });
    expect(ended.usage).toMatchObject({ input_tokens: 20, output_tokens: endpoint === "/v1/embeddings" ? 0 : 5 });
    expect(await linesOfFile(client, ended.output_file_id)).toMatchObject([
      { custom_id: "good", response: { status_code: 200, body: answer }, error: null },
    ]);
    const errors = await linesOfFile(client, ended.error_file_id);
    expect(errors).toMatchObject([
      { custom_id: "empty", response: { status_code: 400, body: { error: { code: "invalid_row" } } } },
      { custom_id: "lost", response: { status_code: 400, body: { error: { code: "invalid_row" } } } },
    ]);
    expect(JSON.stringify(errors[1])).toContain(`tier claude has no ${endpoint}); tiers that have it: lab`);
  },
);
