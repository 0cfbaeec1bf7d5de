import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { describe, expect, it } from "vitest";
import { givenProject, isAlive } from "../support/cli.ts";
import { givenStdioClient } from "../support/mcp-client.ts";
import { deadRedisUrl } from "../support/simulated-redis.ts";
import { until } from "../support/until.ts";

const rowsOf = (count: number) =>
  Array.from({ length: count }, (_, at) => ({ id: `r${at}`, prompt: `say something about #r${at}` }));

const initialize = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "raw", version: "1" } },
};
const callOf = (id: number, name: string, given: object) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name, arguments: given },
});

describe.concurrent("promptfleet mcp", () => {
  it("says nothing but the protocol on stdout, survives lines that are none, and ends with its client", async () => {
    const project = await givenProject();
    const nested = `${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}`;
    const lines = [
      initialize,
      "this is no JSON",
      { jsonrpc: "2.0", id: 9, method: "no/such" },
      callOf(2, "list_models", {}),
      JSON.stringify(callOf(3, "ask", { prompt: "x", schema: "DEEP" })).replace('"DEEP"', nested),
    ];
    const stdin = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n");
    const ended = await project.start(["mcp"], { stdin: `${stdin}\n` }).ended;
    expect(ended.code).toBe(0);
    const said = ended.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { id: number; error?: { code: number }; result?: unknown });
    expect(said.every((message) => "jsonrpc" in message)).toBe(true);
    expect(said.find(({ id }) => id === 1)).toMatchObject({ result: { serverInfo: { name: "promptfleet" } } });
    expect(said.find(({ id }) => id === 9)?.error?.code).toBe(-32601);
    expect(JSON.stringify(said.find(({ id }) => id === 3)?.result)).toMatch(/at most 100 lists and objects inside of/);
    expect(ended.stderr).toContain("the client: expected a line of JSON");
    expect(ended.stderr).not.toContain("this is");
    // No tool needed a fleet: no Redis was started.
    expect(existsSync(project.dataDirectory)).toBe(false);
  });

  it("reads files of the folder that it was started in, of --root, or of the client's own roots", async () => {
    const project = await givenProject({ backend: { answer: ({ body }) => JSON.stringify(body.messages) } });
    mkdirSync(project.path("mine"));
    project.write("here.txt", "text of here");
    project.write("mine/there.txt", "text of there");
    const asked = (file: string) => ({ prompt: "What is this?", file });
    const current = await givenStdioClient(project);
    expect((await current.call("ask", asked("here.txt"))).text).toContain("What is this?\\n\\ntext of here");
    const rooted = await givenStdioClient(project, { args: ["--root", project.path("mine")] });
    expect((await rooted.call("ask", asked("there.txt"))).text).toContain("text of there");
    expect(await rooted.refusal("ask", asked(project.path("here.txt")))).toMatch(
      /expected a file in .*mine, found one outside/,
    );
    const own = await givenStdioClient(project, { roots: [project.path("mine")] });
    expect((await own.call("ask", asked("there.txt"))).text).toContain("text of there");
    expect(await own.refusal("ask", asked("../here.txt"))).toMatch(/without "\.\."/);
  });

  it("asks the rows of a file, with a template and what was said of all, and writes their answers", async () => {
    const project = await givenProject({ backend: { answer: ({ body }) => JSON.stringify(body.messages) } });
    project.write("table.csv", "name,text\nfirst,one #a\nsecond,two #b\n");
    const { call, refusal } = await givenStdioClient(project);
    const given = { file: "table.csv", prompt: "Sum up: {{text}}", system: "Be brief." };
    expect(await refusal("submit_batch", { ...given, prompt: "Sum up: {{txt}}" })).toMatch(/needs \{\{txt\}\}/);
    const { id } = await call("submit_batch", given);
    expect(await call("batch_status", { id, wait_s: 30 })).toMatchObject({ answered: 2 });
    const { written } = await call("batch_results", { id, output_file: "answers.jsonl" });
    expect(written).toEqual({ path: project.path("answers.jsonl"), rows: 2 });
    const [line] = readFileSync(project.path("answers.jsonl"), "utf8").split("\n");
    expect(JSON.parse(line!)).toMatchObject({
      id: "2",
      metadata: { name: "first", text: "one #a" },
      text: '[{"role":"system","content":"Be brief."},{"role":"user","content":"Sum up: one #a"}]',
    });
  });

  it("brings the text of private files to no client: their answers go into a file", async () => {
    const project = await givenProject();
    project.write("notes.txt", "secret");
    project.write("rows.jsonl", '{"prompt":"about #a"}\n{"prompt":"about #b","private":true}\n');
    const { call, refusal } = await givenStdioClient(project);
    expect(await refusal("ask", { prompt: "x", file: "notes.txt", private: true })).toMatch(/^private with file: /);
    const { id } = await call("submit_batch", { file: "rows.jsonl" });
    await call("batch_status", { id, wait_s: 30 });
    expect(await refusal("batch_results", { id })).toMatch(/their answers are not returned: give output_file/);
    await call("batch_results", { id, output_file: "answers.jsonl" });
    expect(readFileSync(project.path("answers.jsonl"), "utf8")).toContain("answer to b");
  });

  it("tells who subscribed to a batch that it goes on", async () => {
    const project = await givenProject();
    const { call, client } = await givenStdioClient(project);
    const updated: string[] = [];
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => void updated.push(params.uri));
    project.backend.setBehaviour({ fault: { kind: "stall" } });
    const { id, uri } = await call("submit_batch", { rows: rowsOf(1) });
    await client.subscribeResource({ uri: String(uri) });
    expect(await call("cancel_batch", { id })).toMatchObject({ id });
    await until("news of the batch", () => updated.includes(String(uri)));
    expect(await call("batch_status", { id, wait_s: 30 })).toMatchObject({ status: "cancelled", failed: 1 });
  });

  it("goes on with a batch in its next session, also after a kill, and answers each row once", async () => {
    const project = await givenProject({ backend: { latencyMs: 50, slots: 4 }, concurrency: 4 });
    const first = await givenStdioClient(project);
    const { id } = await first.call("submit_batch", { rows: rowsOf(60) });
    await until("some answers", () => project.backend.requests() > 10);
    const { pid } = first;
    process.kill(pid!, "SIGKILL");
    await until("it to be dead", () => !isAlive(pid!));
    const second = await givenStdioClient(project);
    expect(await second.call("batch_status", { id, wait_s: 60 })).toMatchObject({ status: "completed", answered: 60 });
    const { results } = await second.call("batch_results", { id, limit: 100 });
    expect((results as { id: string }[]).map((one) => one.id)).toEqual(rowsOf(60).map((row) => row.id));
    // What was in flight and at the ready at the kill is asked again, and nothing else.
    expect(project.backend.requests()).toBeLessThanOrEqual(60 + 6);
  });

  it("ends soon after its client has left, whatever is under way", async () => {
    const project = await givenProject({ backend: { fault: { kind: "stall" } } });
    const { call, close, pid } = await givenStdioClient(project);
    await call("submit_batch", { rows: rowsOf(3) });
    call("ask", { prompt: "x" }).catch(() => {});
    await until("calls to be in flight", () => project.backend.inFlight === 4);
    await close();
    await until("it to end", () => !isAlive(pid!));
    await until("its calls to be gone", () => project.backend.inFlight === 0);
  });

  it("says in each answer why no fleet can be joined, and tries again at the next", async () => {
    const project = await givenProject();
    const { call, refusal } = await givenStdioClient(project, { args: ["--redis", await deadRedisUrl()] });
    expect(await refusal("ask", { prompt: "x" })).toMatch(/expected a Redis server at redis:.*ECONNREFUSED/);
    expect(await refusal("submit_batch", { rows: rowsOf(1) })).toMatch(/ECONNREFUSED/);
    expect(await call("list_models")).toMatchObject({ models: [{ alias: "small", usable: true }] });
  });
});
