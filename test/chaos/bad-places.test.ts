import { cpSync, existsSync, renameSync, rmSync, statSync, truncateSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Ended, givenProject, type Project, summaryOf } from "../support/cli.ts";
import { assertEachResultOnce } from "../support/laws.ts";
import { until } from "../support/until.ts";

const rows = 400;

async function inTheMiddle() {
  const project = await givenProject({ rows, backend: { latencyMs: 40 } });
  const run = project.start(["run", project.input, "-o", project.output, "--json"]);
  await until("a third of the answers", () => project.backend.requests() > rows / 3, 60_000);
  return { project, run };
}

async function endWhole(project: Project): Promise<Ended> {
  const ended = await project.run("--json");
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  expect(summaryOf(ended)).toMatchObject({ rows, answered: rows, failed: 0 });
  assertEachResultOnce(project.output, rows);
  return ended;
}

describe.concurrent("what a run has on disk, ill-treated", () => {
  it("an input that is gone at the resume is named; with it back nothing is lost", async () => {
    const { project, run } = await inTheMiddle();
    run.signal("SIGKILL");
    await run.ended;
    renameSync(project.input, `${project.input}.away`);
    const refused = await project.run();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/^promptfleet: cannot read .*in\.jsonl: it is not there; check the path.*\n$/);
    renameSync(`${project.input}.away`, project.input);
    expect((await endWhole(project)).stderr).not.toMatch(/knows nothing/);
    expect(project.backend.requests()).toBeLessThanOrEqual(rows + 32);
  }, 120_000);

  it("a data directory that is copied under a living run serves another output, and disturbs nobody", async () => {
    const { project, run } = await inTheMiddle();
    const copy = project.path("copy");
    cpSync(project.dataDirectory, copy, { recursive: true, filter: (path) => !path.endsWith(".sock") });
    const models = ["--config", project.path("models.json"), "--data-dir", copy];
    const other = await project.start(["run", project.input, "-o", project.path("other.jsonl"), "--json", ...models], {
      bare: true,
    }).ended;
    expect(other, other.stderr).toMatchObject({ code: 0 });
    const ended = await run.ended;
    expect(ended, ended.stderr).toMatchObject({ code: 0 });
    assertEachResultOnce(project.output, rows);
    assertEachResultOnce(project.path("other.jsonl"), rows);
    expect(project.backend.requests()).toBeLessThanOrEqual(2 * rows + 16);
  }, 120_000);

  it("a data directory that is gone after a SIGKILL: the run goes on from its segments", async () => {
    const { project, run } = await inTheMiddle();
    const pid = await project.redisPid();
    run.signal("SIGKILL");
    await run.ended;
    if (pid !== undefined) process.kill(pid, "SIGKILL");
    rmSync(project.dataDirectory, { recursive: true, force: true });
    const ended = await endWhole(project);
    expect(ended.stderr).toMatch(/^this Redis knows nothing of the unfinished run: .* cannot be counted$/m);
    expect(project.backend.requests()).toBeLessThan(1.6 * rows);
  }, 120_000);

  it.each(["removed", "cut"])(
    "a segment %s under a living run: it is named, and run again nothing is lost",
    async (how) => {
      const { project, run } = await inTheMiddle();
      const segment = `${project.output}.part.1`;
      if (how === "removed") rmSync(segment);
      else truncateSync(segment, statSync(segment).size - 700);
      const ended = await run.ended;
      expect(ended.code).not.toBe(0);
      expect(ended.stderr).toMatch(/^promptfleet: .*out\.jsonl\.part\.1 .*run the same again/m);
      expect(ended.stderr).not.toMatch(/\n\s+at /);
      expect(existsSync(project.output)).toBe(false);
      await endWhole(project);
    },
    120_000,
  );
});
