import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { givenProject, summaryOf } from "../support/cli.ts";
import { assertEachResultOnce } from "../support/laws.ts";
import { smallDisk, whyNoDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";

const why = whyNoDisk();
const skipped = why === undefined ? "" : ` (skipped: ${why})`;
/** Long enough that the answers do not fit where there is no room. */
const longAnswer = ({ key }: { key: string }) => `${key} ${"x".repeat(2_000)}`;

describe.skipIf(why !== undefined).concurrent(`a disk that is full at the output${skipped}`, () => {
  it("makes the run wait and say so; with room again it goes on by itself and loses nothing", async () => {
    const project = await givenProject({ rows: 400, backend: { answer: longAnswer } });
    const disk = smallDisk(project.folder, "size=256k");
    const output = join(disk.path, "out.jsonl");
    const run = project.start(["run", project.input, "-o", output, "--json"]);
    await until("the reason to be shown", () => run.stdout().includes("no space left"), 20_000);
    expect(run.stdout()).toMatch(/cannot write .*out\.jsonl\.part\.1.*ENOSPC.*make room, the run goes on by itself/);
    expect(existsSync(output)).toBe(false);
    disk.resize("16m");
    const ended = await run.ended;
    expect(ended.code).toBe(0);
    expect(summaryOf(ended)).toMatchObject({ rows: 400, answered: 400 });
    assertEachResultOnce(output, 400);
    expect(project.backend.requests()).toBe(400);
  });

  it("stops the collector, and with it the asking: Redis is not filled instead", async () => {
    const project = await givenProject({ rows: 5_000, backend: { answer: longAnswer } });
    const disk = smallDisk(project.folder, "size=256k");
    const run = project.start(["run", project.input, "-o", join(disk.path, "out.jsonl"), "--json"]);
    await until("the reason to be shown", () => run.stdout().includes("no space left"), 20_000);
    await until("nothing to be in flight", () => project.backend.inFlight === 0);
    expect(project.backend.requests()).toBeLessThan(4_500);
    run.signal("SIGINT");
    expect((await run.ended).code).toBe(130);
  });

  it("only when the output is put together: one message, and the same command goes on without asking", async () => {
    const project = await givenProject({ rows: 200, backend: { latencyMs: 20, answer: longAnswer } });
    const disk = smallDisk(project.folder, "size=700k");
    const output = join(disk.path, "out.jsonl");
    const ended = await project.start(["run", project.input, "-o", output]).ended;
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(
      /promptfleet: cannot write .*out\.jsonl: no space is left; free some, then run the same/,
    );
    expect(ended.stderr).not.toMatch(/\n\s+at /);
    expect(existsSync(output)).toBe(false);
    disk.resize("16m");
    expect((await project.start(["run", project.input, "-o", output]).ended).code).toBe(0);
    assertEachResultOnce(output, 200);
    expect(project.backend.requests()).toBe(200);
  });

  it("already at the start: one message, and nothing is asked", async () => {
    const project = await givenProject({ rows: 10 });
    const disk = smallDisk(project.folder, "size=64k");
    writeFileSync(join(disk.path, "filler"), Buffer.alloc(64 * 1024));
    const ended = await project.start(["run", project.input, "-o", join(disk.path, "out.jsonl")]).ended;
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/no space/i);
    expect(ended.stderr).not.toMatch(/error in promptfleet/);
    expect(project.backend.requests()).toBe(0);
    expect(readdirSync(disk.path)).toEqual(["filler"]);
  });
});

describe.skipIf(why !== undefined).concurrent(`a read-only disk at the output${skipped}`, () => {
  it("is refused before anything is asked", async () => {
    const project = await givenProject({ rows: 10 });
    const disk = smallDisk(project.folder, "ro,size=64k");
    const ended = await project.start(["run", project.input, "-o", join(disk.path, "out.jsonl")]).ended;
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(/read-only/);
    expect(ended.stderr.trim().split("\n").length).toBe(1);
    expect(project.backend.requests()).toBe(0);
  });
});
