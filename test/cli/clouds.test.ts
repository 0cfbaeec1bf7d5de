import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { givenProject, summaryOf } from "../support/cli.ts";
import { readResults } from "../support/laws.ts";

const keys = { ANTHROPIC_API_KEY: "sk-ant-test-0123456789", OPENAI_API_KEY: "sk-test-0123456789" };

it("answers rows through every cloud model of the packaged config, with its key and its price", async () => {
  const asked: { readonly model: unknown; readonly authorization: string | undefined }[] = [];
  const project = await givenProject({
    backend: {
      answer({ key, body, headers }) {
        asked.push({ model: body.model, authorization: headers.authorization });
        return `answer to ${key}`;
      },
    },
  });
  const { baseUrl } = project.backend;
  const tiers = { claude: { baseUrl: baseUrl.replace("/v1", "") }, openai: { baseUrl } };
  project.write("models.json", JSON.stringify({ extends: "default", tiers }));
  mkdirSync(join(project.folder, ".config", "promptfleet"), { recursive: true });
  const lines = Object.entries(keys).map(([name, key]) => `${name}=${key}\n`);
  chmodSync(project.write(join(".config", "promptfleet", "env"), lines.join("")), 0o600);
  const models = ["claude.opus", "claude.sonnet", "claude.haiku", "openai.gpt4", "openai.gpt4o"];
  const body = { model: "claude.haiku", messages: [{ role: "user", content: "#line" }], temperature: 0 };
  const rows = [
    ...models.map((model) => ({ id: model, model, prompt: `#${model}` })),
    { id: "task", task: "vision", prompt: "#task" },
    { custom_id: "line", method: "POST", url: "/v1/chat/completions", body },
  ];
  project.write("in.jsonl", rows.map((row) => `${JSON.stringify(row)}\n`).join(""));

  const ended = await project.run("--json", "--format", "flat");
  expect(ended).toMatchObject({ code: 0 });
  expect(summaryOf(ended)).toMatchObject({ rows: 7, answered: 7, failed: 0 });
  const results = readResults(project.output);
  expect(results.map(({ id, text, model }) => [id, text, model])).toEqual([
    ...models.map((model) => [model, `answer to ${model}`, model]),
    ["task", "answer to task", "openai.gpt4o"],
    ["line", "answer to line", "claude.haiku"],
  ]);
  // 20 tokens in, 5 out, by the packaged prices.
  const costs = Object.fromEntries(results.map(({ id, cost_usd: cost }) => [id, cost]));
  expect(costs["claude.opus"]).toBeCloseTo((20 * 4 + 5 * 20) / 1e6, 12);
  expect(costs["openai.gpt4"]).toBeCloseTo((20 * 2 + 5 * 8) / 1e6, 12);
  const keyOf = (model: string) => asked.find((one) => one.model === model)?.authorization;
  expect(keyOf("claude-sonnet-5-5")).toBe(`Bearer ${keys.ANTHROPIC_API_KEY}`);
  expect(keyOf("gpt-4.1")).toBe(`Bearer ${keys.OPENAI_API_KEY}`);
  // What the model could not take is said once, and no key is ever said.
  expect(ended.stderr).toMatch(/claude\.haiku.*temperature/);
  for (const key of Object.values(keys)) expect(ended.stdout + ended.stderr).not.toContain(key);
});
