import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { afterTests } from "../support/clean-up.ts";
import type { ProjectOptions } from "../support/cli.ts";
import { givenServeProcess } from "../support/serve.ts";
import { until } from "../support/until.ts";

/** A real server process on a SIMULATED backend, and its clients. */
async function given(options: ProjectOptions = {}) {
  const server = await givenServeProcess(options);
  const { project, url } = server;
  const start = (words: readonly string[], stdin?: string) =>
    project.start([...words, "--url", url], { bare: true, ...(stdin === undefined ? {} : { stdin }) });
  const ask = (...words: string[]) => start(words).ended;
  const text = async (...words: string[]) => {
    const { code, stdout, stderr } = await ask(...words);
    expect(code, stderr).toBe(0);
    return stdout;
  };
  return { ...server, start, ask, text, backend: project.backend };
}

const parse = (lines: string) =>
  lines
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

function openaiLine(id: string): string {
  const body = { model: "small", messages: [{ role: "user", content: `about #${id}` }] };
  return `${JSON.stringify({ custom_id: id, method: "POST", url: "/v1/chat/completions", body })}\n`;
}

describe("the clients of a server", () => {
  it("submit flat rows, wait for them, and fetch their results in input order", async () => {
    const { project, ask, text } = await given({ rows: 40 });
    const done = await ask("submit", project.input, "--wait");
    expect(done.code, done.stderr).toBe(0);
    const id = done.stdout.split("\n")[0]!;
    expect(id).toMatch(/^batch_/);
    expect(done.stdout).toMatch(/completed +40 of 40 rows/);
    const output = project.path("results.jsonl");
    expect(await text("results", id, "-o", output)).toBe("");
    const rows = parse(readFileSync(output, "utf8"));
    expect(rows.map((row) => row.id)).toEqual(Array.from({ length: 40 }, (_, row) => `r${row}`));
    expect(rows[7]).toMatchObject({ status: "answered", text: "answer to r7", tier: "lab" });
    expect(existsSync(`${output}.part`)).toBe(false);
    expect(await text("results", id)).toBe(readFileSync(output, "utf8"));
    expect(await text("list")).toMatch(new RegExp(`${id} +completed +40 of 40 rows`));
    expect(parse(await text("list", "--json"))[0]).toMatchObject({ id, request_counts: { completed: 40 } });
    expect(await text("status")).toMatch(/no batch that has not ended[\s\S]*lab +0 of \d+ running/);
  });

  it("take OpenAI's lines, CSV, gzip and stdin; exit code 2 when rows failed, 1 when the batch cannot run", async () => {
    const { project, start, ask } = await given();
    const zipped = project.path("lines.jsonl.gz");
    writeFileSync(zipped, gzipSync('{"prompt":"about #z"}\n'));
    const sources = [
      project.write("lines.jsonl", openaiLine("o")),
      project.write("table.csv", 'id,prompt\nc,"quoted, about #c"\n'),
      zipped,
    ];
    for (const source of sources) {
      const { code, stderr } = await ask("submit", source, "--wait", "--json");
      expect(code, stderr).toBe(0);
    }
    expect((await start(["submit", "-", "--wait"], '{"prompt":"about #p"}\n').ended).code).toBe(0);
    expect([...project.backend.countsByKey.keys()].sort()).toEqual(["c", "o", "p", "z"]);
    const badRow = project.write("bad-row.jsonl", `${openaiLine("g")}{"custom_id":"w","body":{"messages":3}}\n`);
    expect((await ask("submit", badRow, "--wait")).code).toBe(2);
    const unusable = await ask("submit", project.write("broken.jsonl", "no json\n"), "--wait");
    expect(unusable.code).toBe(1);
    expect(unusable.stderr).toMatch(/^line 1: This line is not parseable/m);
  });

  it("show a batch that goes on with its results so far, pause it, resume it, and cancel it", async () => {
    const { project, text, ask, backend } = await given({ rows: 30, backend: { latencyMs: 20 }, concurrency: 4 });
    const id = (await text("submit", project.input, "--weight", "3")).trim();
    await until("some answers", () => backend.stats().answered >= 6);
    backend.setBehaviour({ latencyMs: 60_000 });
    expect(await text("pause", id)).toMatch(new RegExp(`^batch ${id} is in_progress, paused\n$`));
    const partly = await ask("results", id);
    expect(partly.stderr).toMatch(new RegExp(`batch ${id} is in_progress: these are its results so far`));
    expect(parse(partly.stdout).length).toBeGreaterThan(0);
    const shown = parse(await text("status", id, "--json"))[0];
    expect(shown.batches[0]).toMatchObject({ id, promptfleet: { paused: true, weight: 3 } });
    expect(shown.tiers.map(({ tier }: { tier: string }) => tier)).toContain("lab");
    expect(await text("resume", id)).toContain(`batch ${id} is in_progress\n`);
    expect(await text("cancel", id)).toMatch(/is cancelling|is cancelled/);
    const watched = await ask("status", id, "--watch");
    expect(watched.code).toBe(2);
    expect(watched.stdout).toMatch(/cancelled +30 of 30 rows, \d+ failed/);
    expect((await ask("pause", id)).stderr).toContain(`batch ${id} has ended as cancelled`);
  });

  it("pause a tier for the whole fleet: its pools say so, nothing is asked, and it goes on when it is resumed", async () => {
    const { project, text, ask, start, backend } = await given({ rows: 5 });
    expect(await text("pause", "tier:lab")).toBe("tier lab is paused\n");
    const submitted = start(["submit", project.input, "--wait"]);
    const reasons = await until("the reason to show", async () => {
      const { batches, tiers } = parse(await text("status", "--json"))[0];
      const lab = tiers.find(({ tier }: { tier: string }) => tier === "lab");
      return batches.length === 1 && lab.waiting > 0 ? lab.reasons : undefined;
    });
    expect(reasons).toEqual(["its queue is paused"]);
    expect(backend.requests()).toBe(0);
    expect(await text("resume", "tier:lab")).toBe("tier lab goes on\n");
    expect((await submitted.ended).code).toBe(0);
    expect((await ask("pause", "tier:lap")).stderr).toMatch(/there is no tier lap; there are lab/);
  });

  it("a watch that is interrupted leaves the batch alone, and says so", async () => {
    const { project, start, client, url } = await given({ rows: 5, backend: { latencyMs: 60_000 } });
    const watching = start(["submit", project.input, "--wait"]);
    await until("it to be shown", () => watching.stdout().includes("rows"));
    watching.signal("SIGINT");
    const { code, stderr } = await watching.ended;
    expect(code).toBe(130);
    expect(stderr).toContain(`the batch goes on at ${url}`);
    expect((await client.batches.list()).data[0]!.status).toMatch(/validating|in_progress/);
  });
});

describe("what goes wrong is said in words, with exit code 1", () => {
  it("a server that is not there, one that is no promptfleet, a URL that is none", async () => {
    const { project } = await given();
    const other = createServer((_request, response) => response.end("<html>")).listen(0, "127.0.0.1");
    await once(other, "listening");
    afterTests(() => other.close());
    const { port } = other.address() as { port: number };
    for (const [url, said] of [
      [
        "http://127.0.0.1:9",
        /no promptfleet server answers at http:\/\/127\.0\.0\.1:9 \(.*ECONNREFUSED.*promptfleet serve/,
      ],
      [`http://127.0.0.1:${port}`, /is no promptfleet server; mend --url/],
      ["localhost:8700", /expected the URL of a promptfleet server/],
    ] as const) {
      const { code, stderr } = await project.start(["list", "--url", url], { bare: true }).ended;
      expect(code).toBe(1);
      expect(stderr).toMatch(said);
      expect(stderr.trimEnd().split("\n").length).toBe(1);
    }
  });

  it("an unknown id, an input that is not there, one that holds no rows", async () => {
    const { ask, project } = await given();
    for (const [words, said] of [
      [["status", "batch_nobody"], "there is no batch batch_nobody"],
      [["results", "../../etc"], "there is no batch"],
      [["cancel", "batch_nobody"], "there is no batch batch_nobody"],
      [["submit", project.path("nowhere.jsonl")], "nowhere.jsonl"],
      [["submit", project.write("empty.jsonl", "")], "expected rows in"],
      [["submit", project.folder], "promptfleet run takes those"],
      [["submit", project.write("one.jsonl", openaiLine("o")), "--task", "nothing"], "unknown task"],
      [["pause", "tier:"], "expected the name of a tier"],
    ] as const) {
      const { code, stderr } = await ask(...words);
      expect(code).toBe(1);
      expect(stderr).toContain(said);
      expect(stderr).not.toMatch(/\n\s+at /);
    }
  });

  it("no token and a wrong one; the right one comes from the environment or a file", async () => {
    const { project, url } = await given({ environment: { PROMPTFLEET_TOKEN: "token-of-the-admin" } });
    const asked = (...words: string[]) => project.start(["list", "--url", url, ...words], { bare: true }).ended;
    expect((await asked()).code).toBe(0);
    const wrong = await asked("--token-file", project.write("wrong", "not-it\n"));
    expect(wrong).toMatchObject({ code: 1, stdout: "" });
    expect(wrong.stderr).toMatch(/does not know this token; mend PROMPTFLEET_TOKEN/);
    expect(wrong.stderr).not.toContain("not-it");
    expect((await asked("--token-file", project.write("right", "token-of-the-admin\n"))).code).toBe(0);
    expect((await asked("--token-file", project.write("two", "two words"))).stderr).toMatch(/expected one token/);
    expect((await asked("--token-file", project.path("none"))).stderr).toMatch(/mend --token-file/);
    const stranger = await given();
    const none = await stranger.project.start(["list", "--url", url], { bare: true }).ended;
    expect(none.stderr).toMatch(/wants a token: set PROMPTFLEET_TOKEN/);
  });
});
