import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";
import { describe, expect, it } from "vitest";
import { givenProject } from "../support/cli.ts";
import { says } from "../support/given-votes.ts";
import { readResults } from "../support/laws.ts";
import { withRedis } from "../support/redis-server.ts";
import { givenBatchOf, givenServer, linesOfFile, untilEnded } from "../support/serve.ts";
import { until } from "../support/until.ts";

const server = withRedis();

const url = "/v1/chat/completions";
const line = (id: string, more: object = {}, ofBody: object = {}) => ({
  custom_id: id,
  method: "POST",
  url,
  body: { model: "small", messages: [{ role: "user", content: `#${id}` }], ...ofBody },
  ...more,
});
const jsonl = (...lines: object[]): string => lines.map((one) => `${JSON.stringify(one)}\n`).join("");

const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const asJson = { response_format: { type: "json_schema", json_schema: { name: "place", schema } } };

/** Models a, b and c on SIMULATED backends that always say these things, beside `small`. */
async function given(...texts: readonly [string, string, string]) {
  const backends = await Promise.all(texts.map(says));
  const entries = backends.map(({ baseUrl }, at) => ["a", "b", "c"].map((name) => [name, baseUrl] as const)[at]!);
  const tiers = Object.fromEntries(
    entries.map(([name, baseUrl]) => [
      `tier-${name}`,
      { provider: "openai-compatible" as const, baseUrl, location: "local" as const },
    ]),
  );
  const models = Object.fromEntries(
    entries.map(([name]) => [name, { tier: `tier-${name}`, model: "simulated-model" }]),
  );
  return { backends, more: { tiers, models } };
}

const consensus = { models: ["a", "b", "c"], threshold: 0.66 };

describe.concurrent("lines in OpenAI's format", () => {
  it("come back in it with the agreed text, and with the votes beside", async () => {
    const { more } = await given("Bern", "bern.", "Basel");
    const { client } = await givenServer(server, { config: more });
    const metadata = { consensus: JSON.stringify({ ...consensus, threshold: 1 }) };
    const lines = jsonl(line("own", { consensus }), line("of-batch"));
    const batch = await untilEnded(client, (await givenBatchOf(client, lines, { metadata })).id);
    expect(batch.request_counts).toMatchObject({ completed: 1, failed: 1 });
    expect(await linesOfFile(client, batch.output_file_id)).toMatchObject([
      {
        custom_id: "own",
        response: {
          status_code: 200,
          body: { object: "chat.completion", choices: [{ message: { content: "Bern" } }] },
        },
        error: null,
        consensus: { agreed: true, share: 0.666667, votes: [{ text: "Bern" }, { text: "bern." }, { text: "Basel" }] },
      },
    ]);
    expect(await linesOfFile(client, batch.error_file_id)).toMatchObject([
      {
        custom_id: "of-batch",
        response: null,
        error: { code: "no_consensus" },
        consensus: { agreed: false, votes: [{ text: "Bern" }, { text: "bern." }, { text: "Basel" }] },
      },
    ]);
  });

  it("that ask for JSON by a schema agree field by field", async () => {
    const { more } = await given('{"city":"Bern"}', '```json\n{ "city": "bern" }\n```', '{"city":"Basel"}');
    const { client } = await givenServer(server, { config: more });
    const wrong = { response_format: { type: "json_schema", json_schema: { schema: { type: "nothing" } } } };
    const lines = jsonl(line("one", { consensus }, asJson), line("wrong", { consensus }, wrong));
    const batch = await untilEnded(client, (await givenBatchOf(client, lines)).id);
    expect(await linesOfFile(client, batch.output_file_id)).toMatchObject([
      {
        response: { body: { choices: [{ message: { content: '{"city":"Bern"}' } }] } },
        consensus: { by: "fields", votes: [{ agreed: true }, { agreed: true }, { agreed: false, fields: ["/city"] }] },
      },
    ]);
    expect(await linesOfFile(client, batch.error_file_id)).toMatchObject([
      {
        response: {
          body: { error: { message: expect.stringMatching(/body\.response_format\.json_schema: schema: no/) } },
        },
      },
    ]);
  });

  it("for responses that ask for JSON by a schema agree field by field, once they are JSON", async () => {
    const { backends, more } = await given('{"city":"Bern"}', '{ "city": "bern" }', "Basel");
    backends[2]!.setBehaviour({ answer: ({ ask }) => (ask === 1 ? "It is Bern." : '{"city":"BERN"}') });
    const { client } = await givenServer(server, { config: more });
    const endpoint = "/v1/responses";
    const body = { model: "small", input: "#one", text: { format: { type: "json_schema", name: "place", schema } } };
    const lines = jsonl({
      custom_id: "one",
      method: "POST",
      url: endpoint,
      body,
      consensus: { ...consensus, threshold: 1 },
    });
    const batch = await untilEnded(client, (await givenBatchOf(client, lines, { endpoint })).id);
    expect(await linesOfFile(client, batch.output_file_id)).toMatchObject([
      {
        response: { body: { object: "response" } },
        consensus: { agreed: true, by: "fields", votes: [{ attempts: 1 }, { attempts: 1 }, { attempts: 2 }] },
      },
    ]);
  });

  it("are judged by what they ask, whatever stands in their messages", async () => {
    const { backends, more } = await given("Bern", "It is Bern", '{"groups":[[1,2]]}');
    const { client } = await givenServer(server, { config: more });
    const call = { role: "assistant", content: null, tool_calls: [{ id: "t", type: "function", function: {} }] };
    const messages = [
      { role: "user", content: "capital?" },
      call,
      { role: "tool", tool_call_id: "t", content: "Bern" },
    ];
    const judged = { models: ["a", "b"], threshold: 1, judge: "c" };
    const lines = jsonl(line("one", { consensus: judged }, { messages }));
    const batch = await untilEnded(client, (await givenBatchOf(client, lines)).id);
    expect(await linesOfFile(client, batch.output_file_id)).toMatchObject([
      { consensus: { agreed: true, by: "judge" } },
    ]);
    expect(backends[2]!.requests()).toBe(1);
  });
});

describe.concurrent("requests of Anthropic's batches", () => {
  const request = {
    custom_id: "one",
    params: { model: "small", max_tokens: 9, messages: [{ role: "user", content: "?" }] },
  };

  it("come back as messages with the agreed text, and with the votes beside", async () => {
    const { more } = await given("Bern", "bern.", "Basel");
    const { url: baseURL } = await givenServer(server, { config: more });
    const { batches } = new Anthropic({ baseURL, apiKey: "none", maxRetries: 0 }).messages;
    const requests = [{ ...request, consensus }] as unknown as Anthropic.Messages.BatchCreateParams["requests"];
    const { id } = await batches.create({ requests });
    await until("it to end", async () => (await batches.retrieve(id)).processing_status === "ended");
    const results = [];
    for await (const result of await batches.results(id)) results.push(result);
    expect(results).toMatchObject([
      {
        custom_id: "one",
        result: { type: "succeeded", message: { content: [{ text: "Bern" }] } },
        consensus: { agreed: true, votes: [{ text: "Bern" }, { text: "bern." }, { text: "Basel" }] },
      },
    ]);
  });

  it("come back as the message of Anthropic's API itself where its models agree, field by field on JSON by a schema", async () => {
    const project = await givenProject();
    const config = JSON.parse(readFileSync(project.path("models.json"), "utf8"));
    const { baseUrl } = project.backend;
    config.tiers.claude = { provider: "anthropic", baseUrl, location: "local" };
    for (const name of ["haiku", "sonnet"]) config.models[name] = { tier: "claude", model: `claude-${name}` };
    project.write("models.json", JSON.stringify(config));
    project.backend.setBehaviour({
      answer: ({ body }) => (body.model === "claude-haiku" ? '{"city":"Bern"}' : '{ "city": "bern" }'),
    });
    const params = { ...request.params, output_config: { format: { type: "json_schema", schema } } };
    project.write("in.jsonl", jsonl({ ...request, params, consensus: { models: ["haiku", "sonnet"], threshold: 1 } }));
    expect(await project.run()).toMatchObject({ code: 0 });
    const [result] = readResults(project.output) as unknown as Record<string, unknown>[];
    // Not one of our making, which has the usage of all votes.
    expect(result).toMatchObject({
      result: {
        message: { model: "claude-haiku", content: [{ text: '{"city":"Bern"}' }], usage: { output_tokens: 5 } },
      },
      consensus: { agreed: true, by: "fields" },
    });
  });
});
