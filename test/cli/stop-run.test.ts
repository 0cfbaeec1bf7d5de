import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { givenProject, isAlive, summaryOf, untilRedisIsGone } from "../support/cli.ts";
import { assertEachResultOnce } from "../support/laws.ts";
import { until } from "../support/until.ts";

describe.concurrent("Ctrl-C", () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`once (${signal}): what is in flight is finished, and the same command goes on without asking twice`, async () => {
      const project = await givenProject({ rows: 200, concurrency: 8, backend: { latencyMs: 100 } });
      const { backend, output } = project;
      const run = project.start(["run", project.input, "-o", output, "--json"]);
      await until("some answers", () => backend.requests() > 40);
      run.signal(signal);
      const stopped = await run.ended;
      expect(stopped.code).toBe(130);
      expect(stopped.stderr).toMatch(/finishing what is in flight/);
      expect(stopped.stderr).not.toMatch(/error in promptfleet/);
      expect(summaryOf(stopped)).toMatchObject({ state: "interrupted", answered: backend.requests(), failed: 0 });
      expect(backend.inFlight).toBe(0);
      expect(existsSync(output)).toBe(false);

      const resumed = await project.run("--json");
      expect(resumed.code).toBe(0);
      assertEachResultOnce(output, 200);
      expect(backend.requests()).toBe(200);
      expect(summaryOf(resumed)).toMatchObject({ state: "finished", answered: 200, asked_again: 0 });
    });
  }

  it("twice: it ends at once, though calls take long, and the same command goes on", async () => {
    const project = await givenProject({ rows: 60, concurrency: 8, backend: { latencyMs: 60_000 } });
    const { backend, output } = project;
    const run = project.start(["run", project.input, "-o", output]);
    await until("calls in flight", () => backend.inFlight === 8);
    run.signal("SIGINT");
    await until("it to say so", () => run.stderr().includes("Ctrl-C again"));
    const pressedMs = Date.now();
    run.signal("SIGINT");
    const stopped = await run.ended;
    expect(stopped.code).toBe(130);
    expect(Date.now() - pressedMs).toBeLessThan(5_000);
    expect(stopped.stderr).toMatch(/resumable/);
    await until("the calls to be aborted", () => backend.inFlight === 0);

    backend.setBehaviour({ latencyMs: 0 });
    const resumed = await project.run("--json");
    expect(resumed.code).toBe(0);
    assertEachResultOnce(output, 60);
    expect(backend.requests()).toBe(60 + 8);
  });

  it("does not reach the embedded Redis, which ends properly after the last run has left it", async () => {
    const project = await givenProject({ rows: 200, concurrency: 8, backend: { latencyMs: 100 } });
    const run = project.start(["run", project.input, "-o", project.output]);
    await until("some answers", () => project.backend.requests() > 10);
    const redisPid = await until("the embedded Redis", () => project.redisPid());
    run.signal("SIGINT");
    await until("it to say so", () => run.stderr().includes("Ctrl-C again"));
    expect(isAlive(redisPid)).toBe(true);
    expect((await run.ended).code).toBe(130);
    await untilRedisIsGone(project, redisPid);
  });
});

describe.concurrent("SIGKILL", () => {
  it("leaves an embedded Redis behind, which the same command adopts and ends", async () => {
    const project = await givenProject({ rows: 100, backend: { latencyMs: 50 } });
    const run = project.start(["run", project.input, "-o", project.output]);
    await until("some answers", () => project.backend.requests() > 20);
    const redisPid = await until("the embedded Redis", () => project.redisPid());
    run.signal("SIGKILL");
    await run.ended;
    expect(isAlive(redisPid)).toBe(true);
    const again = project.start(["run", project.input, "-o", project.output]);
    await until("more answers", () => project.backend.requests() > 60);
    expect(await project.redisPid()).toBe(redisPid);
    expect((await again.ended).code).toBe(0);
    assertEachResultOnce(project.output, 100);
    await untilRedisIsGone(project, redisPid);
  });
});
