import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Ended, givenProject, type Project } from "../support/cli.ts";
import { withRedis } from "../support/redis-server.ts";
import { deadRedisUrl, simulatedRedis } from "../support/simulated-redis.ts";

const server = withRedis();

/** One message, no stack, exit code 1, nothing asked, nothing left behind. */
function expectRefusal(ended: Ended, message: RegExp, project: Project): void {
  expect(ended.stderr).toMatch(message);
  expect(ended.code).toBe(1);
  expect(ended.stdout).toBe("");
  expect(ended.stderr.trim().split("\n").length).toBe(1);
  expect(ended.stderr).toMatch(/^promptfleet: /);
  expect(project.backend.requests()).toBe(0);
  expect(existsSync(project.output)).toBe(false);
  expect(existsSync(project.path("out.jsonl.part.lock"))).toBe(false);
}

describe.concurrent("a run is refused with one message", () => {
  it("when its input is not there, or of no known kind", async () => {
    const project = await givenProject();
    const missing = await project.start(["run", "missing.jsonl", "-o", project.output]).ended;
    expectRefusal(missing, /cannot read missing\.jsonl: it is not there; check the path/, project);
    const unknown = project.write("in.parquet", "PAR1");
    const kind = await project.start(["run", unknown, "-o", project.output]).ended;
    expectRefusal(kind, /cannot tell what .*in\.parquet holds: expected \.jsonl/, project);
  });

  it("when its output is in a folder that is not there, is a folder, or of no known kind", async () => {
    const project = await givenProject({ rows: 1 });
    mkdirSync(project.path("folder.jsonl"));
    const cases: [string, RegExp][] = [
      ["missing/out.jsonl", /the folder of the output, .*missing, is not there; create it: mkdir -p/],
      ["folder.jsonl", /expected a file for the output, found the folder/],
      ["out.xlsx", /cannot tell the format of the output .*out\.xlsx: expected a name that ends in \.jsonl/],
    ];
    for (const [output, message] of cases) {
      expectRefusal(await project.start(["run", project.input, "-o", output]).ended, message, project);
    }
  });

  it.each([
    [["--task", "simpel"], /simpel.*did you mean "simple"/],
    [["--model", "smal"], /smal.*did you mean "small"/],
    [["--concurrency", "lba=3"], /lba/],
    [["--fleet", "no spaces"], /fleet/],
    [["--consensus-models", "small,smal"], /--consensus-models.*smal.*did you mean "small"/],
  ])("when %j names what is not there", async (flags, message) => {
    const project = await givenProject({ rows: 1 });
    expectRefusal(await project.run(...flags), message, project);
  });

  it.each([
    [["--consensus", "0.66"], /--consensus: expected --consensus-models a,b,c beside it/],
    [["--consensus-models", "small"], /--consensus-models: expected at least two different models; found 1/],
    [
      ["--consensus-models", "small,lab/simulated-model"],
      /--consensus-models: .*small and lab\/simulated-model, which are the same model; leave one out/,
    ],
    [["--consensus-models", "small,lab/other", "--consensus", "1.5"], /--consensus: expected a share .*found 1\.5/],
  ])("when %j can make no consensus", async (flags, message) => {
    const project = await givenProject({ rows: 1 });
    expectRefusal(await project.run(...flags), message, project);
  });

  it.each([
    ["--deadline", "soon"],
    ["--concurrency", "lab"],
    ["--format", "xml"],
    ["--no-such-flag", "x"],
  ])("when %s %s cannot be understood", async (...flags) => {
    const project = await givenProject({ rows: 1 });
    const ended = await project.run(...flags);
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(flags[0]);
    expect(project.backend.requests()).toBe(0);
  });

  it("when its Redis is not there, too old, or no URL", async () => {
    const project = await givenProject({ rows: 1 });
    const dead = await deadRedisUrl();
    expectRefusal(await project.run("--redis", dead), /expected a Redis server at redis:.*ECONNREFUSED/, project);
    const old = await simulatedRedis("redis_version:6.2.14\r\n");
    expectRefusal(await project.run("--redis", old), /expected Redis 7\.0 or newer.*found Redis 6\.2/, project);
    expectRefusal(await project.run("--redis", "localhost"), /expected a Redis URL such as/, project);
  });

  it("when its Redis wants a password or evicts keys, without showing the password it was given", async () => {
    const project = await givenProject({ rows: 1 });
    const url = await server.listenOnPort();
    await server.client.config("SET", "maxmemory-policy", "volatile-lru");
    expectRefusal(await project.run("--redis", url), /evicts keys \(maxmemory-policy is volatile-lru\)/, project);
    await server.client.config("SET", "maxmemory-policy", "noeviction");
    await server.client.config("SET", "requirepass", "right");
    const wrong = await project.run("--redis", url.replace("//", "//:wrong-secret@"));
    expectRefusal(wrong, /wants a password or another one/, project);
    expect(wrong.stderr).not.toContain("wrong-secret");
    const right = await project.run("--redis", url.replace("//", "//:right@"));
    expect(right.code).toBe(0);
    expect(right.stderr).not.toContain("right@");
    // Nothing but the record of what was sent: no Redis was started.
    expect(readdirSync(project.dataDirectory)).toEqual(["audit"]);
  });
});
