import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { givenProject, type Project, summaryOf } from "../support/cli.ts";
import { readResults } from "../support/laws.ts";

type Body = { readonly model: string; readonly messages: readonly { role: string; content: string }[] };

/** A project whose SIMULATED backend keeps what it was sent, by key. */
async function given(options: Parameters<typeof givenProject>[0] = {}): Promise<{
  project: Project;
  bodies: Map<string, Body>;
}> {
  const bodies = new Map<string, Body>();
  const project = await givenProject({
    backend: {
      answer: ({ key, body }) => {
        bodies.set(key, body as unknown as Body);
        return `answer to ${key}`;
      },
    },
    config: {
      models: { large: { tier: "lab", model: "large-model", price: { inputPerMTok: 100, outputPerMTok: 1_000 } } },
      tasks: { big: { primary: "large" } },
    },
    ...options,
  });
  return { project, bodies };
}

const rowsOf = (...rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

describe.concurrent("run", () => {
  it("--task is for rows that name no task, --model for rows that name no model", async () => {
    const { project, bodies } = await given();
    const rows = rowsOf(
      { id: "none", prompt: "#none" },
      { id: "task", task: "simple", prompt: "#task" },
      { id: "model", model: "small", prompt: "#model" },
    );
    project.write("in.jsonl", rows);
    expect((await project.run("--task", "big")).code).toBe(0);
    const models = () => ["none", "task", "model"].map((key) => bodies.get(key)!.model);
    expect(models()).toEqual(["large-model", "simulated-model", "simulated-model"]);
    expect(readResults(project.output).map(({ task }) => task)).toEqual(["big", "simple", "big"]);
    expect((await project.run("--fresh", "--model", "large")).code).toBe(0);
    expect(models()).toEqual(["large-model", "large-model", "simulated-model"]);
  });

  it("--force-model is for all rows, whatever they name", async () => {
    const { project, bodies } = await given();
    const rows = rowsOf({ id: "a", task: "simple", prompt: "#a" }, { id: "b", model: "small", prompt: "#b" });
    project.write("in.jsonl", rows);
    expect((await project.run("--force-model", "large")).code).toBe(0);
    expect([...bodies.values()].map(({ model }) => model)).toEqual(["large-model", "large-model"]);
    expect(readResults(project.output).map(({ model }) => model)).toEqual(["large", "large"]);
  });

  it("--base-url and --model need no config", async () => {
    const { project, bodies } = await given();
    const { baseUrl } = project.backend;
    project.write("in.jsonl", rowsOf({ id: "a", prompt: "#a" }));
    const args = ["run", project.input, "-o", project.output, "--data-dir", project.dataDirectory];
    const ended = await project.start([...args, "--base-url", baseUrl, "--model", "my/model:8b"], { bare: true }).ended;
    expect(ended).toMatchObject({ code: 0, stdout: "" });
    expect(bodies.get("a")?.model).toBe("my/model:8b");
    expect(readResults(project.output)[0]).toMatchObject({ status: "answered", text: "answer to a" });
    // Without --model: the one that the server has.
    const other = [...args.slice(0, 3), project.path("auto.jsonl"), ...args.slice(4)];
    expect((await project.start([...other, "--base-url", baseUrl], { bare: true }).ended).code).toBe(0);
    expect(bodies.get("a")?.model).toBe("simulated-model");
  });

  it("--system is for rows that have no system prompt", async () => {
    const { project, bodies } = await given();
    project.write("in.jsonl", rowsOf({ prompt: "#a" }, { prompt: "#b", system: "be long" }));
    expect((await project.run("--system", "be brief")).code).toBe(0);
    const systemOf = (key: string) => bodies.get(key)?.messages.find(({ role }) => role === "system")?.content;
    expect([systemOf("a"), systemOf("b")]).toEqual(["be brief", "be long"]);
  });

  it("--concurrency bounds the calls at once of a tier, and fills it", async () => {
    const { project } = await given({ rows: 60, backend: { latencyMs: 20 }, concurrency: 16 });
    expect((await project.run("--concurrency", "lab=5")).code).toBe(0);
    expect(project.backend.peakInFlight).toBe(5);
  });

  it("--json ends with one line that sums up the run", async () => {
    const { project } = await given();
    project.write("in.jsonl", rowsOf({ prompt: "#a" }, { prompt: "#b", task: "big" }, { id: "no prompt" }));
    const ended = await project.run("--json");
    expect(ended.code).toBe(2);
    const summary = summaryOf(ended);
    expect(Object.keys(summary)).toEqual(
      "batch state rows answered failed asked_again cost_usd wall_s by_model by_tier output audit_head".split(" "),
    );
    expect(summary).toMatchObject({
      state: "finished",
      rows: 3,
      answered: 2,
      failed: 1,
      asked_again: 0,
      output: project.output,
    });
    // 20 tokens in, 5 out.
    expect(summary.cost_usd).toBeCloseTo((20 * 100 + 5 * 1_000) / 1e6, 9);
    expect(Object.keys(summary.by_model as object).toSorted()).toEqual(["large", "small"]);
    expect(Object.keys(summary.by_tier as object)).toEqual(["lab"]);
    for (const line of ended.stdout.trimEnd().split("\n")) JSON.parse(line);
  });

  it("-o with .csv writes a table, its texts in quotes where they need them", async () => {
    const { project } = await given({ backend: { answer: ({ key }) => `one, "two"\nof ${key}` } });
    project.write("in.jsonl", rowsOf({ id: "a", prompt: "#a" }, { id: "b" }));
    const output = project.path("out.csv");
    expect((await project.start(["run", project.input, "-o", output]).ended).code).toBe(2);
    const table = readFileSync(output, "utf8");
    expect(table).toMatch(/^id,index,task,status,text,/);
    expect(table).toContain('a,0,simple,answered,"one, ""two""\nof a",small,lab,stop,20,5,');
    expect(table).toMatch(/\nb,1,,failed,,/);
  });

  it("--format decides how results are written, whatever the input", async () => {
    const { project } = await given();
    project.write("in.jsonl", rowsOf({ id: "a", prompt: "#a" }));
    expect((await project.run("--format", "openai")).code).toBe(0);
    expect(JSON.parse(readFileSync(project.output, "utf8"))).toMatchObject({
      custom_id: "a",
      response: { status_code: 200, body: { choices: [{ message: { content: "answer to a" } }] } },
    });
  });

  it("--redis uses that Redis and starts none of its own", async () => {
    const { project } = await given({ rows: 3 });
    const ended = await project.run("--redis", "redis://127.0.0.1:1");
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain("127.0.0.1:1");
    expect(await project.redisPid()).toBeUndefined();
  });
});
