import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { givenProject, inputLines, leftovers, type Project, summaryOf } from "../support/cli.ts";
import { assertEachResultOnce, readResults, unsettled } from "../support/laws.ts";
import type { SimulatedRequest } from "../support/simulated-answers.ts";
import { until } from "../support/until.ts";

const rejectedKeys = ["r3", "r7"];
const rejectSome = ({ key }: SimulatedRequest) =>
  rejectedKeys.includes(key) ? ({ kind: "status", status: 400 } as const) : undefined;

async function stoppedInTheMiddle(project: Project): Promise<void> {
  const run = project.start(["run", project.input, "-o", project.output]);
  await until("some answers", () => project.backend.requests() > 20);
  run.signal("SIGINT");
  expect((await run.ended).code).toBe(130);
}

describe.concurrent("running the same command again when OUTPUT is whole", () => {
  it("says so and asks nothing, with the exit code of the finished run", async () => {
    const project = await givenProject({ rows: 20 });
    expect((await project.run()).code).toBe(0);
    const whole = readFileSync(project.output, "utf8");
    const again = await project.run("--json");
    expect(again.code).toBe(0);
    expect(again.stderr).toMatch(/out\.jsonl is whole already: 20 answered, 0 failed/);
    expect(summaryOf(again)).toMatchObject({ state: "finished", rows: 20, answered: 20, failed: 0 });
    expect(project.backend.requests()).toBe(20);
    expect(readFileSync(project.output, "utf8")).toBe(whole);
  });

  it("ends with 2 when some of its rows failed, and leaves nothing but the output behind", async () => {
    const project = await givenProject({ rows: 20, backend: { fault: rejectSome } });
    const first = await project.run();
    expect(first.code).toBe(2);
    expect(first.stderr).toMatch(/row r3: rejected: .*400/);
    expect((await project.run()).code).toBe(2);
    expect(project.backend.requests()).toBe(20);
    const names = ["out.jsonl.part.json", "out.jsonl.part.lock", "out.jsonl.part.1", "out.jsonl.part.tmp"];
    expect(leftovers(project, names)).toEqual([]);
  });

  it("refuses an input that those answers are not of, and leaves the output alone", async () => {
    const project = await givenProject({ rows: 20 });
    await project.run();
    writeFileSync(project.input, inputLines(21));
    const longer = await project.run();
    expect(longer.code).toBe(1);
    expect(longer.stderr).toMatch(/is not the answers to .*in\.jsonl.*ends after 20 rows.*--fresh/);
    writeFileSync(project.input, inputLines(20).replace('"r5"', '"x5"'));
    const other = await project.run();
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/row 6 has the id r5, the input x5/);
    assertEachResultOnce(project.output, 20);
    expect(project.backend.requests()).toBe(20);
  });
});

describe.concurrent("an input that was changed since the run that it resumes", () => {
  it("is refused, and the old input goes on", async () => {
    const project = await givenProject({ rows: 100, backend: { latencyMs: 50 } });
    await stoppedInTheMiddle(project);
    const asked = project.backend.requests();
    writeFileSync(project.input, inputLines(100).replace("something", "anything"));
    const refused = await project.run();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/began with .*in\.jsonl.*other content.*--fresh/);
    expect(project.backend.requests()).toBe(asked);
    writeFileSync(project.input, inputLines(100));
    expect((await project.run()).code).toBe(0);
    expect(project.backend.requests()).toBe(100);
    assertEachResultOnce(project.output, 100);
  });
});

describe.concurrent("a config that was changed since the run that it resumes", () => {
  it("applies to the rows that are not yet answered, and that is said in one line", async () => {
    const project = await givenProject({ rows: 100, backend: { latencyMs: 50 } });
    await stoppedInTheMiddle(project);
    const config = readFileSync(project.path("models.json"), "utf8").replace("simulated-model", "newer-model");
    project.write("models.json", config);
    const resumed = await project.run();
    expect(resumed.code).toBe(0);
    expect(resumed.stderr.match(/the configuration changed/g)?.length).toBe(1);
    expect(project.backend.requests()).toBe(100);
  });
});

describe.concurrent("--fresh", () => {
  it("asks all again, though OUTPUT is whole, and keeps it until the new one is", async () => {
    const project = await givenProject({ rows: 60 });
    await project.run();
    project.backend.setBehaviour({ latencyMs: 100, answer: ({ key }) => `new answer to ${key}` });
    const fresh = project.start(["run", project.input, "-o", project.output, "--fresh"]);
    await until("new answers", () => project.backend.requests() > 60 + 16);
    expect(readResults(project.output).every(({ text }) => text?.startsWith("answer"))).toBe(true);
    expect((await fresh.ended).code).toBe(0);
    const results = assertEachResultOnce(project.output, 60);
    expect(results.every(({ text }) => text?.startsWith("new answer"))).toBe(true);
    expect(project.backend.requests()).toBe(120);
  });

  it("forgets a run that was stopped in the middle, also one of another input", async () => {
    const project = await givenProject({ rows: 100, backend: { latencyMs: 50 } });
    await stoppedInTheMiddle(project);
    project.backend.reset();
    writeFileSync(project.input, inputLines(50));
    expect((await project.run("--fresh")).code).toBe(0);
    assertEachResultOnce(project.output, 50);
    expect(project.backend.requests()).toBe(50);
  });

  it("cannot be given together with --retry-failed", async () => {
    const project = await givenProject({ rows: 1 });
    const ended = await project.run("--fresh", "--retry-failed");
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/expected --fresh or --retry-failed, found both/);
  });
});

describe.concurrent("--retry-failed", () => {
  it("asks the failed rows again, and no others", async () => {
    const project = await givenProject({ rows: 20, backend: { fault: rejectSome } });
    expect((await project.run()).code).toBe(2);
    project.backend.setBehaviour({ fault: undefined });
    const retried = await project.run("--retry-failed", "--json");
    expect(retried.code).toBe(0);
    expect(summaryOf(retried)).toMatchObject({ rows: 20, answered: 20, failed: 0 });
    const results = assertEachResultOnce(project.output, 20);
    expect(results.every(({ status }) => status === "answered")).toBe(true);
    expect(project.backend.requests()).toBe(22);
    expect([...project.backend.countsByKey].filter(([, count]) => count === 2).map(([key]) => key)).toEqual(
      rejectedKeys,
    );
    const nothing = await project.run("--retry-failed");
    expect(nothing.code).toBe(0);
    expect(project.backend.requests()).toBe(22);
  });

  it("keeps the old output when it is stopped, and goes on with the same command", async () => {
    const project = await givenProject({
      rows: 200,
      concurrency: 4,
      backend: { fault: { kind: "status", status: 400 } },
    });
    expect((await project.run()).code).toBe(2);
    const failed = readFileSync(project.output, "utf8");
    project.backend.reset();
    project.backend.setBehaviour({ fault: undefined, latencyMs: 50 });
    const retry = project.start(["run", project.input, "-o", project.output, "--retry-failed"]);
    await until("some answers", () => project.backend.requests() > 20);
    retry.signal("SIGKILL");
    await retry.ended;
    expect(readFileSync(project.output, "utf8")).toBe(failed);
    expect((await project.run("--retry-failed")).code).toBe(0);
    expect(assertEachResultOnce(project.output, 200).every(({ status }) => status === "answered")).toBe(true);
    expect(project.backend.requests()).toBeLessThanOrEqual(200 + unsettled(4));
    expect(existsSync(project.path("out.jsonl.part.json"))).toBe(false);
  });
});
