import { describe, expect, it } from "vitest";
import { givenProject, inputLines, summaryOf } from "../support/cli.ts";
import { assertEachResultOnce, readResults } from "../support/laws.ts";

describe.concurrent("lines that cannot be used", () => {
  it("become failed results with their line numbers, and stop nothing", async () => {
    const project = await givenProject();
    project.write(
      "in.jsonl",
      [
        '\ufeff{"id":"first","prompt":"#first"}\r',
        "not json",
        '["a list"]',
        '{"id":"without"}',
        "",
        '{"id":"task","prompt":"#task","task":"simpel"}',
        '{"id":"model","prompt":"#model","model":"smal"}',
        '{"id":"first","prompt":"#twice"}',
        JSON.stringify({ id: "large", prompt: `#large ${"x".repeat(5_000_000)}` }),
        '{"id":"last","prompt":"#last"}',
      ].join("\n"),
    );
    const ended = await project.run("--json");
    expect(ended.code).toBe(2);
    expect(summaryOf(ended)).toMatchObject({ rows: 9, answered: 3, failed: 6 });
    const results = assertEachResultOnce(project.output, 9);
    expect(results.map(({ error }) => error?.code ?? "answered")).toEqual([
      "answered",
      "invalid_row",
      "invalid_row",
      "invalid_row",
      "invalid_row",
      "invalid_row",
      "invalid_row",
      "answered",
      "answered",
    ]);
    const messages = results.flatMap(({ error }) => (error === null ? [] : [error.message]));
    expect(messages.map((message) => /^line \d+: /.exec(message)?.[0])).toEqual(
      [2, 3, 4, 6, 7, 8].map((line) => `line ${line}: `),
    );
    expect(messages[3]).toMatch(/unknown task "simpel".*did you mean "simple"/);
    expect(messages[4]).toMatch(/unknown model "smal".*did you mean "small"/);
    expect(messages[5]).toMatch(/the id "first" was used by an earlier row/);
    expect([...project.backend.countsByKey.keys()].sort()).toEqual(["first", "large", "last"]);
  });

  it("with an id that comes twice fail again when the run is resumed, and the first keeps its answer", async () => {
    const project = await givenProject();
    project.write("in.jsonl", inputLines(3) + inputLines(3));
    expect((await project.run()).code).toBe(2);
    expect((await project.run("--retry-failed")).code).toBe(2);
    const results = readResults(project.output);
    expect(results.map(({ status }) => status)).toEqual([...Array(3).fill("answered"), ...Array(3).fill("failed")]);
    expect(project.backend.requests()).toBe(3);
  });
});

describe.concurrent("a template", () => {
  it("that names a column which a row does not have fails that row, and no other", async () => {
    const project = await givenProject();
    project.write("in.jsonl", '{"id":"a","text":"of #a"}\n{"id":"b","txt":"of #b"}\n');
    expect((await project.run("--prompt", "Summarise {{text}}")).code).toBe(2);
    const results = assertEachResultOnce(project.output, 2);
    expect(results[0]?.status).toBe("answered");
    expect(results[1]?.error).toMatchObject({ code: "invalid_row", message: expect.stringMatching(/^line 2: .*text/) });
  });

  it("that is not closed is refused before anything is asked", async () => {
    const project = await givenProject({ rows: 1 });
    const ended = await project.run("--prompt", "Summarise {{text");
    expect(ended.code).toBe(1);
    expect(ended.stderr.trim().split("\n").length).toBe(1);
    expect(project.backend.requests()).toBe(0);
  });
});

describe.concurrent("an empty input", () => {
  it("gives an empty output", async () => {
    const project = await givenProject();
    const ended = await project.run("--json");
    expect(ended.code).toBe(0);
    expect(summaryOf(ended)).toMatchObject({ state: "finished", rows: 0 });
    assertEachResultOnce(project.output, 0);
  });
});

describe.concurrent("rows without a route", () => {
  const cloudOnly = {
    tiers: { cloud: { provider: "openai", apiKeyEnv: "NO_SUCH_KEY" } },
    models: { dear: { tier: "cloud", model: "gpt-4o" } },
    tasks: { review: { primary: "dear" } },
  } as const;

  it("stop the run before anything is sent, with what is missing", async () => {
    const project = await givenProject({ config: cloudOnly });
    project.write("in.jsonl", `${inputLines(5)}{"id":"x","prompt":"#x","task":"review"}\n`);
    const ended = await project.run();
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/1 row has no model that can be used; nothing was sent/);
    expect(ended.stderr).toMatch(/task review \(1 row\):\n\s+dear: /);
    expect(ended.stderr).not.toMatch(/\bat .*\.ts:\d+/);
    expect(project.backend.requests()).toBe(0);
  });

  it("wait with --wait while the others are answered, and the deadline ends them", async () => {
    const project = await givenProject({ config: cloudOnly });
    project.write("in.jsonl", `${inputLines(5)}{"id":"x","prompt":"#x","task":"review"}\n`);
    const ended = await project.run("--wait", "--deadline", "2s");
    expect(ended.code).toBe(2);
    const results = assertEachResultOnce(project.output, 6);
    expect(results.map(({ status }) => status)).toEqual([...Array(5).fill("answered"), "failed"]);
    expect(results[5]?.error?.code).toBe("deadline_passed");
  });
});
