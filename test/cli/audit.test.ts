import { existsSync, globSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { givenProject, type Project, summaryOf } from "../support/cli.ts";
import { smallDisk, whyNoDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";

const audit = (project: Project, ...args: string[]) =>
  project.start(["audit", ...args, "--data-dir", project.dataDirectory], { bare: true }).ended;

describe.concurrent("audit", () => {
  it("shows each call that a run made, and filters them", async () => {
    const project = await givenProject({ rows: 20 });
    expect((await project.run()).code).toBe(0);
    const all = await audit(project, "--json");
    const records = all.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(records.map(({ row }) => row).toSorted((one, other) => one - other)).toEqual([...Array(20).keys()]);
    const host = `127.0.0.1:${project.backend.port}`;
    expect(records[0]).toMatchObject({
      tier: "lab",
      model: "simulated-model",
      alias: "small",
      host,
      location: "local",
    });
    const one = await audit(project, "--row", "7", "--model", "small", "--since", "1h");
    expect(one.stdout.trimEnd().split("\n").length).toBe(1);
    expect(one).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/row 7 attempt 1 {2}lab simulated-model at 127/),
    });
    expect((await audit(project, "--tier", "other")).stdout).toBe("");
  });

  it("explains a time that it does not understand", async () => {
    const project = await givenProject();
    const { code, stderr } = await audit(project, "--since", "yesterday");
    expect(code).toBe(1);
    expect(stderr).toMatch(/--since: expected a date.*2h.*found "yesterday"/);
  });

  it("has nothing to show where nothing was sent, and makes no data directory for it", async () => {
    const project = await givenProject();
    expect(await audit(project)).toMatchObject({ code: 0, stdout: "" });
    expect(await audit(project, "verify")).toMatchObject({ code: 0 });
    expect(existsSync(project.dataDirectory)).toBe(false);
  });

  it("is whole after a kill and the run that went on; a chain that is removed is missed by Redis and by the next", async () => {
    const project = await givenProject({ rows: 400, backend: { latencyMs: 20 } });
    const killed = project.start(["run", project.input, "-o", project.output]);
    await until("some answers", () => project.backend.stats().answered > 100);
    killed.signal("SIGKILL");
    await killed.ended;
    const [first] = globSync(join(project.dataDirectory, "audit", "*", "*.jsonl"));
    const ended = await project.run("--json");
    expect(ended.code).toBe(0);
    const verified = await audit(project, "verify", "--json", "--head", String(summaryOf(ended).audit_head));
    expect(JSON.parse(verified.stdout)).toMatchObject({ whole: true, chains: 2, problems: [] });
    // What was on record at the kill need not have left.
    const unsent = JSON.parse(verified.stdout).records - project.backend.requests();
    expect(unsent).toBeGreaterThanOrEqual(0);
    expect(unsent).toBeLessThanOrEqual(16);
    expect(JSON.parse(verified.stdout).notes.join()).toContain("its process was killed");

    const headOf = (path: string) => path.replace(/jsonl$/, "head");
    const saved = [readFileSync(first!), readFileSync(headOf(first!))];
    for (const path of [first!, headOf(first!)]) writeFileSync(path, "");
    expect(await audit(project, "verify")).toMatchObject({
      code: 2,
      stdout: expect.stringMatching(/jsonl knows of more/),
    });
    writeFileSync(first!, saved[0]!);
    writeFileSync(headOf(first!), saved[1]!);
    expect((await audit(project, "verify")).code).toBe(0);

    const last = globSync(join(project.dataDirectory, "audit", "*", "*.jsonl")).find((path) => path !== first);
    for (const path of [last!, headOf(last!)]) rmSync(path);
    expect(await audit(project, "verify")).toMatchObject({
      code: 2,
      stdout: expect.stringMatching(/is gone: Redis knows/),
    });
  });
});

const why = whyNoDisk();

describe.skipIf(why !== undefined)(
  `a disk that is full at the audit${why === undefined ? "" : ` (skipped: ${why})`}`,
  () => {
    it("holds the rows and says so; with room again they are asked, and none has failed or was counted", async () => {
      const project = await givenProject({ rows: 300 });
      const disk = smallDisk(project.folder, "size=64k");
      const folder = join(project.dataDirectory, "audit");
      mkdirSync(project.dataDirectory);
      symlinkSync(disk.path, folder);
      const run = project.start(["run", project.input, "-o", project.output, "--json"]);
      await until("the reason to be shown", () => run.stdout().includes("cannot be written"), 20_000);
      expect(run.stdout()).toMatch(/the audit in .* cannot be written \(ENOSPC.*nothing is sent without it/);
      await until("nothing to be in flight", () => project.backend.inFlight === 0);
      const asked = project.backend.requests();
      expect(asked).toBeLessThan(300);
      disk.resize("16m");
      const ended = await run.ended;
      expect(summaryOf(ended)).toMatchObject({ answered: 300, failed: 0 });
      const results = readFileSync(project.output, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(results.filter(({ attempts }) => attempts !== 1)).toEqual([]);
      expect(await audit(project, "verify")).toMatchObject({ code: 0, stdout: expect.stringContaining("300 calls") });
    });
  },
);
