import { describe, expect, it } from "vitest";
import { givenProject, summaryOf } from "../support/cli.ts";
import { readResults } from "../support/laws.ts";

const line = (id: string, url: string, body: object) => ({ custom_id: id, method: "POST", url, body });
const lines = [
  line("chat", "/v1/chat/completions", { model: "small", messages: [{ role: "user", content: "#chat" }] }),
  line("embed", "/v1/embeddings", { model: "small", input: ["#embed", "two"] }),
  line("complete", "/v1/completions", { model: "small", prompt: "#complete" }),
  line("respond", "/v1/responses", { model: "small", input: "#respond" }),
  line("nowhere", "/v1/embeddings", { model: "clouded", input: "#nowhere" }),
];
const vectors = [
  [0, 6],
  [1, 3],
];
const config = {
  tiers: { claude: { provider: "anthropic" as const, baseUrl: "http://127.0.0.1:9" } },
  models: { clouded: { tier: "claude", model: "claude-haiku-5-5" } },
};

describe.concurrent("run with lines for other endpoints", () => {
  it("asks each where it belongs and gives back each provider's own answer, in order", async () => {
    const project = await givenProject({ config });
    project.write("in.jsonl", lines.map((one) => `${JSON.stringify(one)}\n`).join(""));
    const ended = await project.run("--json");
    expect(ended.code).toBe(2);
    expect(summaryOf(ended)).toMatchObject({ rows: 5, answered: 4, failed: 1 });
    const results = readResults(project.output) as unknown as {
      custom_id: string;
      response: { body: object };
      error: object;
    }[];
    expect(results.map(({ custom_id: id }) => id)).toEqual(["chat", "embed", "complete", "respond", "nowhere"]);
    expect(results.map(({ response }) => response?.body)).toMatchObject([
      { object: "chat.completion", choices: [{ message: { content: "answer to chat" } }] },
      { object: "list", data: vectors.map((embedding) => ({ embedding })) },
      { object: "text_completion", choices: [{ text: "answer to complete" }] },
      { object: "response", output: [{}, { content: [{ text: "answer to respond" }] }] },
      ...[undefined],
    ]);
    expect(results[4]?.error).toEqual({
      code: "invalid_row",
      message:
        "line 5: no model of its route can be asked at /v1/embeddings (clouded: tier claude has no /v1/embeddings); tiers that have it: lab",
    });

    // The same command finds its answers, and asks only the failed row again.
    expect(await project.run()).toMatchObject({ code: 2 });
    expect(project.backend.requests()).toBe(4);
    expect(await project.run("--retry-failed")).toMatchObject({ code: 2 });
    expect(project.backend.requests()).toBe(4);
    expect(readResults(project.output)).toEqual(results);
  });

  it("writes vectors as the json of flat lines", async () => {
    const project = await givenProject({ config });
    project.write("in.jsonl", lines.map((one) => `${JSON.stringify(one)}\n`).join(""));
    await project.run("--format", "flat");
    expect(readResults(project.output)).toMatchObject([
      { id: "chat", text: "answer to chat" },
      { id: "embed", text: null, json: vectors, usage: { input_tokens: 20, output_tokens: 0 } },
      { id: "complete", text: "answer to complete", usage: { output_tokens: 5 } },
      { id: "respond", text: "answer to respond", usage: { cached_tokens: 4 } },
      { id: "nowhere", status: "failed" },
    ]);
  });

  it("keeps to a budget: what can be written is bounded in each one's own words", async () => {
    const bounds: unknown[] = [];
    const price = { inputPerMTok: 1, outputPerMTok: 2 };
    const project = await givenProject({
      config: { models: { small: { tier: "lab", model: "simulated-model", maxOutputTokens: 40, price } } },
      backend: {
        answer({ key, body: { max_tokens, max_output_tokens } }) {
          bounds.push([key, max_tokens, max_output_tokens]);
          return "an answer";
        },
      },
    });
    const asked = lines.slice(0, 4);
    project.write("in.jsonl", asked.map((one) => `${JSON.stringify(one)}\n`).join(""));
    const ended = await project.run("--budget", "1", "--json");
    expect(ended.code).toBe(0);
    expect(bounds.toSorted()).toEqual([
      ["chat", 40, undefined],
      ["complete", 40, undefined],
      ["embed", undefined, undefined],
      ["respond", undefined, 40],
    ]);
    // Three answers of 20 and 5 tokens, and an embedding of 20.
    expect(summaryOf(ended).spent_usd).toBeCloseTo((4 * 20 + 3 * 5 * 2) / 1e6, 9);
  });

  it("moves a row to its next model where the server has no such path, and fails it where there is none", async () => {
    const other = await givenProject();
    const project = await givenProject({
      config: {
        tiers: { second: { provider: "openai-compatible", baseUrl: other.backend.baseUrl, location: "local" } },
        models: { other: { tier: "second", model: "simulated-model" } },
        tasks: { simple: { primary: "small", fallback: ["other"] } },
      },
      backend: {
        fault: ({ body }) => ("input" in body ? { kind: "status", status: 404, body: "no such path" } : undefined),
      },
    });
    const body = { input: "#e" };
    const rows = [
      line("moved", "/v1/embeddings", body),
      line("stays", "/v1/embeddings", { ...body, model: "small" }),
      lines[0],
    ];
    project.write("in.jsonl", rows.map((one) => `${JSON.stringify(one)}\n`).join(""));
    expect(await project.run("--format", "flat")).toMatchObject({ code: 2 });
    expect(readResults(project.output)).toMatchObject([
      { id: "moved", status: "answered", tier: "second" },
      { id: "stays", error: { code: "rejected", message: expect.stringContaining("/v1/embeddings is not there") } },
      { id: "chat", status: "answered" },
    ]);
  });
});
