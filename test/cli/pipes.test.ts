import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { ResultLine } from "../../src/job/result.ts";
import { givenProject, inputLines, summaryOf } from "../support/cli.ts";
import { unsettled } from "../support/laws.ts";
import { until } from "../support/until.ts";

const linesOf = (text: string): ResultLine[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as ResultLine);

describe.concurrent("standard input and output", () => {
  it("take rows and give answers in input order; messages go to standard error", async () => {
    const project = await givenProject({ backend: { latencyMs: 20, sigma: 1 } });
    const ended = await project.start(["run", "-", "-o", "-"], { stdin: inputLines(50) }).ended;
    expect(ended.code).toBe(0);
    expect(linesOf(ended.stdout).map(({ id, text }) => [id, text])).toEqual(
      Array.from({ length: 50 }, (_, row) => [`r${row}`, `answer to r${row}`]),
    );
    expect(ended.stderr).toMatch(/finished: 50 answered/);
    expect(project.backend.requests()).toBe(50);
  });

  it("leave no file of the run behind in the data directory", async () => {
    const project = await givenProject();
    await project.start(["run", "-", "-o", "-"], { stdin: inputLines(5) }).ended;
    const left = readdirSync(project.dataDirectory, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.startsWith("stdout/"),
    );
    expect(left).toEqual([]);
  });

  it("resume after a kill when the same rows come again, and refuse others", async () => {
    const project = await givenProject({ backend: { latencyMs: 50 } });
    const run = project.start(["run", "-", "-o", project.output], { stdin: inputLines(100) });
    await until("some answers", () => project.backend.requests() > 30);
    run.signal("SIGKILL");
    await run.ended;
    const other = await project.start(["run", "-", "-o", project.output], { stdin: inputLines(99) }).ended;
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/began with standard input.*other content/);
    const again = await project.start(["run", "-", "-o", project.output], { stdin: inputLines(100) }).ended;
    expect(again.code).toBe(0);
    expect(linesOf(readFileSync(project.output, "utf8")).length).toBe(100);
    expect(project.backend.requests()).toBeLessThanOrEqual(100 + unsettled(16));
    expect(readdirSync(project.folder).filter((name) => name.includes(".part"))).toEqual([]);
  });
});

describe.concurrent("kinds of files", () => {
  it("may be mixed: gzipped CSV with a template in, gzipped lines out, other columns in the metadata", async () => {
    const project = await givenProject();
    const csv = 'id,text,year\na,"one, two #a",1999\nb,three #b,2001\n';
    writeFileSync(project.path("in.csv.gz"), gzipSync(csv));
    const output = project.path("out.jsonl.gz");
    const ended = await project.start(["run", "in.csv.gz", "-o", output, "--prompt", "Summarise: {{text}}"]).ended;
    expect(ended.stderr).toMatch(/finished: 2 answered/);
    const results = linesOf(gunzipSync(readFileSync(output)).toString());
    expect(results.map(({ id, text, metadata }) => [id, text, metadata])).toEqual([
      ["a", "answer to a", { text: "one, two #a", year: "1999" }],
      ["b", "answer to b", { text: "three #b", year: "2001" }],
    ]);
  });

  it("OpenAI batch lines come back as OpenAI batch lines, failed ones with their error", async () => {
    const project = await givenProject();
    const lineOf = (id: string, body: object) =>
      JSON.stringify({ custom_id: id, method: "POST", url: "/v1/chat/completions", body });
    const messages = [{ role: "user", content: "#a" }];
    project.write(
      "in.jsonl",
      `${lineOf("a", { model: "small", messages })}\n${lineOf("b", { model: "smal", messages })}\n`,
    );
    expect((await project.run()).code).toBe(2);
    const [first, second] = linesOf(readFileSync(project.output, "utf8")) as unknown[];
    const body = { choices: [{ message: { content: "answer to a" } }] };
    expect(first).toMatchObject({ custom_id: "a", error: null, response: { status_code: 200, body } });
    expect(second).toMatchObject({ custom_id: "b", error: { code: "invalid_row" } });
  });

  it("a folder gives one row a file, named by its path", async () => {
    const project = await givenProject();
    for (const name of ["b.txt", "a.txt"]) project.write(name, `text of #${name}`);
    const ended = await project.start(["run", "*.txt", "-o", project.output, "--prompt", "Document {{path}}: {{text}}"])
      .ended;
    expect(ended.stderr).toMatch(/finished: 2 answered/);
    expect(linesOf(readFileSync(project.output, "utf8")).map(({ id }) => id)).toEqual(["a.txt", "b.txt"]);
  });
});

describe.concurrent("a backend that is down from the start", () => {
  it("is named with its reason while rows wait, and a deadline ends the run with 2", async () => {
    const project = await givenProject({ rows: 300 });
    await project.backend.close();
    const ended = await project.run("--deadline", "7s", "--json");
    expect(ended.code).toBe(2);
    const progress = ended.stdout.split("\n").find((line) => line.includes('"progress"'));
    expect(JSON.parse(progress ?? "").progress.tiers[0]).toMatchObject({
      tier: "lab",
      reason: expect.stringMatching(/refused/i),
    });
    expect(summaryOf(ended)).toMatchObject({ rows: 300, answered: 0, failed: 300 });
    const results = linesOf(readFileSync(project.output, "utf8"));
    expect(results.every(({ error }) => error?.code === "deadline_passed")).toBe(true);
    expect(existsSync(project.path("out.jsonl.part.json"))).toBe(false);
  });
});
