import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { afterTests } from "../support/clean-up.ts";
import { givenProject } from "../support/cli.ts";
import { until } from "../support/until.ts";

const pagesOf = (stderr: string) => /watch it at (http:\/\/127\.0\.0\.1:\d+)\//.exec(stderr)?.[1];

describe.concurrent("run --serve", () => {
  it("shows the run as one batch, with its queues, for as long as it goes on", async () => {
    const project = await givenProject({ rows: 40, backend: { latencyMs: 60_000 }, concurrency: 4 });
    const run = project.start(["run", project.input, "-o", project.output, "--serve=0"]);
    const url = await until("the pages to be named", () => pagesOf(run.stderr()));
    const response = await until("them to show the run", async () => {
      const answer = await fetch(`${url}/dashboard/events`);
      return answer.status === 200 ? answer : undefined;
    });
    let text = "";
    void (async () => {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk;
    })().catch(() => {});
    await until("calls in flight to be told", () => /"tier":"lab"[^}]*"running":4/.test(text));
    const { viewer, batches } = JSON.parse(/event: begin\ndata: (.*)/.exec(text)![1]!);
    expect(viewer).toMatchObject({ takesBatches: false });
    expect(batches).toMatchObject([{ name: "in.jsonl", endpoint: "promptfleet run", status: "in_progress" }]);
    expect(await (await fetch(`${url}/`)).text()).toContain("<title>promptfleet</title>");
    expect((await fetch(`${url}/queues/`)).status).toBe(200);
    // It takes nothing: neither files nor prompts.
    expect((await fetch(`${url}/v1/files`)).status).toBe(404);

    run.signal("SIGINT");
    await until("it to stop gently", () => run.stderr().includes("stopping"));
    run.signal("SIGINT");
    expect((await run.ended).code).toBe(130);
    await expect(fetch(url)).rejects.toThrow();
  });

  it("refuses a port that is taken before anything is sent, and without a port takes another", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await until("it to listen", () => other.listening);
    afterTests(() => void other.close());
    const { port } = other.address() as AddressInfo;
    const project = await givenProject({ rows: 3 });
    const refused = await project.run(`--serve=${port}`);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`--serve: cannot listen on 127.0.0.1:${port}`);
    expect(refused.stderr).toContain("choose another port");
    expect(project.backend.requests()).toBe(0);
    const wrong = await project.start(["run", "-o", project.output, "--serve", project.input]).ended;
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("write a lone --serve behind the input");
    const ended = await project.run("--serve");
    expect(ended.code).toBe(0);
    expect(pagesOf(ended.stderr)).toBeDefined();
  });
});
