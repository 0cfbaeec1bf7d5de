import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { givenProject, summaryOf } from "../support/cli.ts";
import { readResults } from "../support/laws.ts";

const request = (id: string, model: string, more: object = {}) => ({
  custom_id: id,
  params: { model, max_tokens: 20, messages: [{ role: "user", content: `#${id}` }], ...more },
});
const toolResult = [{ role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: "#tool please" }] }];
const image = { type: "image", source: { type: "base64", media_type: "image/png", data: "AAAA" } };
const requests = [
  request("claude", "clouded", { system: "Be brief." }),
  request("other", "small", { system: "Be brief.", stop_sequences: ["END"], tools: [{ name: "look" }] }),
  request("seen", "task:simple", {
    messages: [{ role: "user", content: [image, { type: "text", text: "#seen please" }] }],
  }),
  request("tool", "clouded", { messages: toolResult }),
  request("tool-elsewhere", "small", { messages: toolResult }),
  request("lost", "nobody"),
];

it("run takes requests of an Anthropic batch: whole to Anthropic, in plain words to others, back in its own form", async () => {
  const bodies = new Map<string, Record<string, unknown>>();
  const project = await givenProject({
    backend: {
      answer({ key, body }) {
        bodies.set(key, body);
        return `answer to ${key}`;
      },
    },
    config: { models: { clouded: { tier: "claude", model: "claude-haiku-5-5" } } },
  });
  const config = JSON.parse(readFileSync(project.path("models.json"), "utf8"));
  config.tiers.claude = { provider: "anthropic", baseUrl: project.backend.baseUrl, location: "local" };
  project.write("models.json", JSON.stringify(config));
  project.write("in.jsonl", requests.map((one) => `${JSON.stringify(one)}\n`).join(""));
  const ended = await project.run("--json");
  expect(ended.code).toBe(2);
  expect(summaryOf(ended)).toMatchObject({ rows: 6, answered: 4, failed: 2 });

  const results = readResults(project.output) as unknown as { custom_id: string; result: Record<string, object> }[];
  expect(results.map(({ custom_id: id }) => id)).toEqual(requests.map(({ custom_id: id }) => id));
  expect(results.map(({ result }) => result)).toMatchObject([
    {
      type: "succeeded",
      message: {
        id: expect.stringMatching(/^msg_\d$/),
        model: "claude-haiku-5-5",
        content: [{ text: "answer to claude" }],
      },
    },
    { type: "succeeded", message: { type: "message", model: "small", content: [{ text: "answer to other" }] } },
    { type: "succeeded", message: { model: "small", content: [{ text: "answer to seen" }] } },
    { type: "succeeded", message: { content: [{ text: "answer to tool" }] } },
    {
      type: "errored",
      error: { error: { type: "invalid_request_error", message: expect.stringContaining("tool_result") } },
    },
    {
      type: "errored",
      error: { error: { type: "invalid_request_error", message: expect.stringContaining("nobody") } },
    },
  ]);
  expect(bodies.get("claude")).toEqual({ ...requests[0]?.params, model: "claude-haiku-5-5" });
  expect(bodies.get("other")).toEqual({
    model: "simulated-model",
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "#other" },
    ],
    max_tokens: 20,
    stop: ["END"],
  });
  expect(bodies.get("seen")?.messages).toMatchObject([
    { content: [{ image_url: { url: "data:image/png;base64,AAAA" } }, { text: "#seen please" }] },
  ]);
  // What the model could not take is said once.
  expect(ended.stderr).toMatch(/small.*tools/);

  expect(await project.run("--retry-failed")).toMatchObject({ code: 2 });
  expect(project.backend.requests()).toBe(4);
  expect(readResults(project.output)).toEqual(results);
});
