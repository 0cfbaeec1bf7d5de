import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { type CliProcess, givenProject, type Project, summaryOf } from "../support/cli.ts";
import { freePort } from "../support/free-port.ts";
import { assertEachResultOnce } from "../support/laws.ts";
import { batchLines, givenBatchOf, linesOfFile, startServe, untilEnded } from "../support/serve.ts";
import { type RemovableDisk, removableDisk, whyNoDisk } from "../support/small-disk.ts";
import { until } from "../support/until.ts";

const why = whyNoDisk();
const skipped = why === undefined ? "" : ` (skipped: ${why})`;
const rows = 1_500;
const gone = /the disk of .*\/(?:disk|data).* is gone \(unmounted or pulled out\?\); mount it again/;

interface Started {
  readonly project: Project;
  readonly disk: RemovableDisk;
  readonly args: readonly string[];
  readonly output: string;
  readonly run: CliProcess;
}

/** A run that is told where to put things on a disk, a third of the way. */
async function startOn(
  whereTo: (disk: string, project: Project) => { output: string; data: string },
): Promise<Started> {
  const project = await givenProject({ rows, backend: { latencyMs: 20 } });
  const disk = removableDisk(project.folder);
  const { output, data } = whereTo(disk.path, project);
  const models = ["--config", project.path("models.json"), "--data-dir", data];
  const args = ["run", project.input, "-o", output, "--json", ...models];
  const run = project.start(args, { bare: true });
  await until("a third of the answers", () => project.backend.requests() > rows / 3, 60_000);
  return { project, disk, args, output, run };
}

const outputOn = (disk: string, { dataDirectory }: Project) => ({
  output: join(disk, "out.jsonl"),
  data: dataDirectory,
});
const dataOn = (disk: string, { output }: Project) => ({ output, data: join(disk, "data") });

/** The disk goes; the run says so, asks no more, and writes nothing where the disk was. */
async function goneUnder({ project, disk, run }: Started): Promise<void> {
  disk.goAway();
  const said = run.stdout().length;
  await until("it to say so", () => gone.test(run.stdout().slice(said)), 30_000);
  await until("nothing to be in flight", () => project.backend.inFlight === 0);
  expect(project.backend.requests()).toBeLessThan(rows);
  expect(disk.underneath()).toEqual([]);
}

async function endsWhole({ project, output }: Started, run: CliProcess): Promise<void> {
  const ended = await run.ended;
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  expect(summaryOf(ended)).toMatchObject({ rows, answered: rows, failed: 0 });
  assertEachResultOnce(output, rows);
  expect(project.backend.requests()).toBe(rows);
}

describe.skipIf(why !== undefined).concurrent(`a disk that is unmounted under a run${skipped}`, () => {
  it.each([
    ["its output", outputOn],
    ["its data directory", dataOn],
  ])(
    "with %s: it waits and says so, and goes on by itself when the disk is there again",
    async (_what, whereTo) => {
      const started = await startOn(whereTo);
      await goneUnder(started);
      started.disk.comeBack();
      await endsWhole(started, started.run);
      started.disk.goAway();
      expect(started.disk.underneath()).toEqual([]);
    },
    120_000,
  );

  it.each([
    ["its output", outputOn],
    ["its data directory", dataOn],
  ])(
    "with %s, and is stopped meanwhile: without a word of its own errors, and the same command goes on later",
    async (_what, whereTo) => {
      const started = await startOn(whereTo);
      const { run, disk, project, args } = started;
      await goneUnder(started);
      run.signal("SIGINT");
      const stopped = await run.ended;
      expect(stopped).toMatchObject({ code: 130 });
      expect(stopped.stderr).not.toMatch(/error in promptfleet|\n\s+at /);
      expect(disk.underneath()).toEqual([]);
      disk.comeBack();
      await endsWhole(started, project.start(args, { bare: true }));
    },
    120_000,
  );

  it("with its output, and comes back as another device: the run ends and says so, and the same command goes on", async () => {
    const started = await startOn(outputOn);
    await goneUnder(started);
    started.disk.comeBackElsewhere();
    const ended = await started.run.ended;
    expect(ended.code).toBe(1);
    expect(ended.stderr).toMatch(
      /^promptfleet: the disk of .* is there again as another device; run the same command/m,
    );
    expect(ended.stderr).not.toMatch(/\n\s+at /);
    await endsWhole(started, started.project.start(started.args, { bare: true }));
  }, 120_000);
});

describe.skipIf(why !== undefined)(`a disk that is unmounted under a server${skipped}`, () => {
  it("is told to clients, and its batches go on when it is there again", async () => {
    const project = await givenProject({ backend: { latencyMs: 20 } });
    const disk = removableDisk(project.folder, basename(project.dataDirectory));
    const { client, process, url } = await startServe(project, await freePort(), []);
    const { id } = await givenBatchOf(client, batchLines(rows));
    await until("a third of the answers", () => project.backend.requests() > rows / 3, 60_000);
    disk.goAway();
    await until("it to say so", () => gone.test(process.stderr()), 30_000);
    await until("nothing to be in flight", () => project.backend.inFlight === 0);
    expect(project.backend.requests()).toBeLessThan(rows);
    await expect(client.batches.retrieve(id)).rejects.toMatchObject({
      status: 503,
      message: expect.stringMatching(gone),
    });
    await expect(givenBatchOf(client, batchLines(3, "late"))).rejects.toMatchObject({ status: 503 });
    const readiness = async () => (await fetch(`${url}/readyz`)).status;
    expect(await readiness()).toBe(503);
    expect(disk.underneath()).toEqual([]);
    disk.comeBack();
    await until("it to be ready", async () => (await readiness()) === 200);
    const ended = await untilEnded(client, id, 60_000);
    expect(ended).toMatchObject({ status: "completed", request_counts: { total: rows, completed: rows, failed: 0 } });
    expect((await linesOfFile(client, ended.output_file_id)).length).toBe(rows);
    expect(project.backend.requests()).toBe(rows);
    // While the disk is there: else its Redis would live on, as after a SIGKILL.
    process.signal("SIGTERM");
    expect(await process.ended).toMatchObject({ code: 0 });
  }, 120_000);
});
