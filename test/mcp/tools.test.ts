import { describe, expect, it } from "vitest";
import { givenProject } from "../support/cli.ts";
import { givenBackend } from "../support/given-backend.ts";
import { givenHttpClient, givenStdioClient, type McpClient } from "../support/mcp-client.ts";
import { withRedis } from "../support/redis-server.ts";
import { givenServer } from "../support/serve.ts";
import type { SimulatedBackend } from "../support/simulated-backend.ts";
import { until } from "../support/until.ts";

const server = withRedis();

/** Beside `small`: `twin` of the same backend, and `cloud` of a tier that is not local. */
const moreModels = (baseUrl: string) => ({
  tiers: {
    lab2: { provider: "openai-compatible" as const, baseUrl, location: "local" as const, concurrency: 4 },
    sky: { provider: "openai-compatible" as const, baseUrl, location: "cloud" as const, concurrency: 4 },
  },
  models: { twin: { tier: "lab2", model: "simulated-model" }, cloud: { tier: "sky", model: "simulated-model" } },
});

interface Given extends McpClient {
  readonly backend: SimulatedBackend;
}

async function overStdio(): Promise<Given> {
  const project = await givenProject();
  const { baseUrl } = project.backend;
  const config = moreModels(baseUrl);
  project.write(
    "models.json",
    JSON.stringify({
      tiers: { lab: { provider: "openai-compatible", baseUrl, location: "local", concurrency: 16 }, ...config.tiers },
      models: { small: { tier: "lab", model: "simulated-model" }, ...config.models },
      tasks: { simple: { primary: "small", why: "small is quick" } },
    }),
  );
  return Object.assign(await givenStdioClient(project), { backend: project.backend });
}

async function overHttp(): Promise<Given> {
  const backend = await givenBackend();
  const config = moreModels(backend.baseUrl);
  const served = await givenServer(server, {
    config: {
      ...config,
      tiers: {
        ...config.tiers,
        lab: { provider: "openai-compatible", baseUrl: backend.baseUrl, location: "local", concurrency: 16 },
      },
      tasks: { simple: { primary: "small", why: "small is quick" } },
    },
  });
  return Object.assign(await givenHttpClient(served.url), { backend });
}

describe.each([
  ["stdio", overStdio],
  ["streamable HTTP", overHttp],
])("an assistant over %s", (_transport, given) => {
  it("finds the tools, each with the schemas of what it takes and gives", async () => {
    const { client } = await given();
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      "list_models",
      "ask",
      "ask_parallel",
      "consensus",
      "plan",
      "submit_batch",
      "batch_status",
      "batch_results",
      "cancel_batch",
    ]);
    for (const { inputSchema, outputSchema, description } of tools) {
      expect([inputSchema.type, outputSchema?.type]).toEqual(["object", "object"]);
      expect(description?.length).toBeGreaterThan(40);
    }
    expect(client.getInstructions()).toContain("list_models");
  });

  it("lists models, asks one, asks several, and finds what they agree on", async () => {
    const { call, backend } = await given();
    expect(await call("list_models", { task: "simple" })).toMatchObject({
      models: [{ alias: "small", location: "local", usable: true, price: { input_per_mtok: 0 } }],
      tasks: [{ name: "simple", models: ["small"], private: false, why: "small is quick" }],
    });
    expect(await call("ask", { prompt: "What is #1" })).toMatchObject({
      status: "answered",
      text: "answer to 1",
      model: "small",
      attempts: 1,
    });
    const seen: number[] = [];
    const onprogress = ({ progress }: { progress: number }) => void seen.push(progress);
    const several = await call("ask_parallel", { prompt: "What is #2", models: ["small", "twin"] }, { onprogress });
    expect(several.answers).toMatchObject([
      { model: "small", text: "answer to 2" },
      { model: "twin", text: "answer to 2" },
    ]);
    expect(seen.at(-1)).toBe(2);
    const agreed = await call("consensus", { prompt: "What is #3", models: ["small", "twin"], threshold: 1 });
    expect(agreed.consensus).toMatchObject({
      state: "agreed",
      text: "answer to 3",
      agreed: ["small", "twin"],
      share: 1,
    });
    backend.setBehaviour({ answer: ({ body, request }) => ("input" in body ? "[[1,0],[3,1]]" : `${request}`) });
    const similarity = { model: "cloud", atLeast: 0.9 };
    expect(await call("consensus", { prompt: "x", models: ["small", "twin"], threshold: 1, similarity })).toMatchObject(
      {
        answers: [{ role: "vote" }, { role: "vote" }, { role: "similarity", text: null }],
        consensus: { state: "agreed", by: "similarity", similarity: 0.948683, agreed: ["small", "twin"] },
      },
    );
  });

  it("plans a batch, submits it, follows it to its end, and reads the answers page by page", async () => {
    const { call, client, backend } = await given();
    backend.setBehaviour({ latencyMs: 100 });
    const rows = Array.from({ length: 40 }, (_, at) => ({ id: `r${at}`, prompt: `say something about #r${at}` }));
    expect(await call("plan", { rows })).toMatchObject({ rows: 40, groups: [{ task: "simple", model: "small" }] });
    expect(backend.requests()).toBe(0);

    const { id, uri } = await call("submit_batch", { rows });
    const seen: number[] = [];
    const onprogress = ({ progress, total }: { progress: number; total?: number | undefined }) => {
      seen.push(progress);
      expect(total).toBe(40);
    };
    const status = await call("batch_status", { id, wait_s: 60 }, { onprogress });
    expect(status).toMatchObject({ status: "completed", has_ended: true, total: 40, answered: 40, failed: 0 });
    expect(seen).toEqual([...seen].sort((one, other) => one - other));

    const first = await call("batch_results", { id, limit: 25 });
    const second = await call("batch_results", { id, limit: 25, offset: first.next_offset });
    const results = [first, second].flatMap((page) => page.results as { id: string; text: string }[]);
    expect(results.map((one) => one.id)).toEqual(rows.map((row) => row.id));
    expect(results[7]!.text).toBe("answer to r7");
    expect(second.next_offset).toBeNull();

    const { resources } = await client.listResources();
    expect(resources.map((one) => one.uri)).toEqual([uri]);
    const { contents } = await client.readResource({ uri: String(uri) });
    expect(JSON.parse((contents[0] as { text: string }).text)).toMatchObject({ id, status: "completed" });
  });

  it("submits rows that several models are asked, and sees the votes on each", async () => {
    const { call } = await given();
    const both = { models: ["small", "twin"], threshold: 1 };
    const rows = [
      { id: "good", prompt: "What is #4", consensus: both },
      { id: "one", prompt: "x", consensus: { models: ["small"] } },
      { id: "strange", prompt: "x", consensus: { models: ["small", "twyn"] } },
    ];
    expect(await call("plan", { rows })).toMatchObject({ unusable: 2 });
    const { id } = await call("submit_batch", { rows });
    expect(await call("batch_status", { id, wait_s: 30 })).toMatchObject({ answered: 1, failed: 2 });
    const { results } = await call("batch_results", { id });
    expect(results).toMatchObject([
      {
        text: "answer to 4",
        consensus: { agreed: true, share: 1, by: "text", votes: [{ model: "small" }, { model: "twin", agreed: true }] },
      },
      { error: { code: "invalid_row", message: expect.stringMatching(/consensus\.models: .*two different models/) } },
      {
        error: {
          code: "invalid_row",
          message: expect.stringMatching(/consensus\.models\[1\]: .* found "twyn"; did you mean "twin"/),
        },
      },
    ]);
  });

  it("is told in words what is wrong with its arguments, and the session goes on", async () => {
    const { call, refusal, backend } = await given();
    expect(await refusal("ask", { promt: "x", model: 7 })).toMatch(
      /^ask: prompt: expected .*, found nothing; model: expected .*, found 7; unknown argument "promt": did you mean "prompt"/,
    );
    expect(await refusal("asks", {})).toMatch(/there is no tool "asks": did you mean "ask"/);
    expect(await refusal("ask", { prompt: "x".repeat(10_000_000) })).toMatch(
      /at most 8 MB, found 10\.0 MB: put the text/,
    );
    expect(await refusal("ask", { prompt: "x", model: "smal" })).toMatch(
      /model: unknown model "smal": did you mean "small"/,
    );
    expect(await refusal("ask", { prompt: "x", task: "simpel" })).toMatch(
      /unknown task "simpel": did you mean "simple"/,
    );
    expect(await refusal("ask_parallel", { prompt: "x", models: ["small", "small"] })).toMatch(/found small twice/);
    expect(await refusal("consensus", { prompt: "x", models: ["small"] })).toMatch(
      /models: expected at least two different models; found 1/,
    );
    expect(await refusal("consensus", { prompt: "x", models: ["small", "twin"], escalate: "twin" })).toMatch(
      /escalate: expected a model that has not voted; found "twin"/,
    );
    for (const threshold of [0, 1.5]) {
      expect(await refusal("consensus", { prompt: "x", models: ["small", "twin"], threshold })).toMatch(
        /threshold: expected a share above 0, at most 1, such as 0.66; found/,
      );
    }
    expect(await refusal("submit_batch", {})).toMatch(/expected file or rows, found neither/);
    expect(await refusal("submit_batch", { rows: ["x"] })).toMatch(/rows\.0: expected an object, found a text/);
    expect(await refusal("batch_status", { id: "batch_x" })).toMatch(/there is no batch batch_x; there is none yet/);
    expect(backend.requests()).toBe(0);
    expect(await call("ask", { prompt: "still here? #1" })).toMatchObject({ text: "answer to 1" });
  });

  it("sends what is private to local models only", async () => {
    const { call, refusal, backend } = await given();
    expect(await refusal("ask", { prompt: "x", model: "cloud", private: true })).toMatch(
      /^policy_refused: no model of its route may hold a private row/,
    );
    const votes = await call("ask_parallel", { prompt: "x", models: ["small", "cloud"], private: true });
    expect(votes.answers).toMatchObject([
      { status: "answered" },
      { status: "failed", error: { code: "policy_refused" } },
    ]);
    const { id } = await call("submit_batch", { rows: [{ prompt: "x", model: "cloud" }], private: true });
    expect(await call("batch_status", { id, wait_s: 30 })).toMatchObject({ failed: 1 });
    expect(backend.requests()).toBe(1);
  });

  it.each([
    ["ask", { prompt: "x" }],
    ["ask_parallel", { prompt: "x", models: ["small"] }],
  ])("ends its calls of %s at the model by cancelling them", async (tool, args) => {
    const { call, backend } = await given();
    backend.setBehaviour({ fault: { kind: "stall" } });
    const cancel = new AbortController();
    const asked = call(tool, args, { signal: cancel.signal });
    await until("the model to be asked", () => backend.inFlight === 1);
    cancel.abort();
    await expect(asked).rejects.toThrow();
    await until("the call to be gone", () => backend.inFlight === 0);
    backend.setBehaviour({ fault: undefined });
    expect(await call("ask", { prompt: "#next" })).toMatchObject({ text: "answer to next" });
    expect(backend.requests()).toBe(2);
  });

  it("ends its calls by leaving", async () => {
    const { call, close, backend } = await given();
    backend.setBehaviour({ fault: { kind: "stall" } });
    call("ask", { prompt: "x" }).catch(() => {});
    await until("the model to be asked", () => backend.inFlight === 1);
    await close();
    await until("the call to be gone", () => backend.inFlight === 0);
    expect(backend.requests()).toBe(1);
  });
});
