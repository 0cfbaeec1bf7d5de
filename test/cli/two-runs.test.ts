import { describe, expect, it } from "vitest";
import { givenProject, inputLines, isAlive, untilRedisIsGone } from "../support/cli.ts";
import { assertEachResultOnce } from "../support/laws.ts";
import { until } from "../support/until.ts";

describe.concurrent("two runs at once", () => {
  it("on the same output: the second refuses and names the first, which is not disturbed", async () => {
    const project = await givenProject({ rows: 100, backend: { latencyMs: 500 } });
    const first = project.start(["run", project.input, "-o", project.output]);
    await until("some answers", () => project.backend.requests() > 20);
    const second = await project.run();
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(new RegExp(`another run \\(process ${first.pid} on .*\\) is writing .*out\\.jsonl`));
    expect(second.stderr.trim().split("\n").length).toBe(1);
    expect((await first.ended).code).toBe(0);
    assertEachResultOnce(project.output, 100);
    expect(project.backend.requests()).toBe(100);
  });

  it("on one output from two hosts: the second says whom it waits for, and what to remove if that host is gone", async () => {
    const project = await givenProject({ rows: 1 });
    const lock = project.write("out.jsonl.part.lock", '{"host":"elsewhere","pid":4711,"startedAt":"then"}');
    const second = await project.run();
    expect(second.code).toBe(1);
    expect(second.stderr).toContain("another run (process 4711 on elsewhere) is writing");
    expect(second.stderr).toContain(`if that host is gone, remove ${lock}`);
    expect(project.backend.requests()).toBe(0);
  });

  it("on two outputs: they share the embedded Redis, either may end first, and the last takes it along", async () => {
    const project = await givenProject({ rows: 1_000, concurrency: 8, backend: { latencyMs: 50 } });
    const long = project.start(["run", project.input, "-o", project.output]);
    const redisPid = await until("the embedded Redis", () => project.redisPid());
    const shortInput = project.write("short.jsonl", inputLines(20).replaceAll('"id":"r', '"id":"s'));
    const short = await project.start(["run", shortInput, "-o", project.path("short-out.jsonl")]).ended;
    expect(short.code).toBe(0);
    assertEachResultOnce(project.path("short-out.jsonl"), 20);
    expect(await project.redisPid()).toBe(redisPid);
    const other = project.start(["run", shortInput, "-o", project.path("other-out.jsonl")]);
    expect((await other.ended).code).toBe(0);
    expect(isAlive(redisPid)).toBe(true);
    expect((await long.ended).code).toBe(0);
    assertEachResultOnce(project.output, 1_000);
    await untilRedisIsGone(project, redisPid);
  });

  it("that start in the same moment on an empty data directory start one Redis", async () => {
    const project = await givenProject({ rows: 50, backend: { latencyMs: 50 } });
    const outputs = ["a.jsonl", "b.jsonl", "c.jsonl"].map((name) => project.path(name));
    const runs = await Promise.all(outputs.map((output) => project.start(["run", project.input, "-o", output]).ended));
    expect(runs.map(({ code, stderr }) => [code, /error|waits/i.test(stderr)])).toEqual(outputs.map(() => [0, false]));
    for (const output of outputs) assertEachResultOnce(output, 50);
    expect(project.backend.requests()).toBe(150);
    expect(await project.redisPid()).toBeUndefined();
  });
});
