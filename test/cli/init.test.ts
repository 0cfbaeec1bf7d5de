import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { givenProject, inputLines } from "../support/cli.ts";
import { givenDeadBackend } from "../support/given-backend.ts";

describe.concurrent("init", () => {
  it("writes a config from the servers that it finds, with which run and doctor work", async () => {
    const project = await givenProject();
    const url = project.backend.baseUrl.replace("/v1", "");
    const ended = await project.start(["init", "--server", url], { bare: true }).ended;
    expect([ended.code, ended.stderr]).toEqual([0, ""]);
    expect(ended.stdout).toContain("simulated-model");
    expect(ended.stdout).toContain("promptfleet doctor");
    const file = JSON.parse(readFileSync(project.path("promptfleet.json"), "utf8"));
    expect(file.tiers).toEqual({
      // The simulated server answers /readyz, as LocalAI does.
      localai: { baseUrl: project.backend.baseUrl },
    });
    const config = ["--config", project.path("promptfleet.json")];
    project.write("in.jsonl", inputLines(3));
    const run = await project.start(
      // Its route has no other local model: this machine may have an Ollama of its own.
      ["run", "in.jsonl", "-o", "out.jsonl", "--task", "orchestration", ...config, "--data-dir", project.dataDirectory],
      { bare: true },
    ).ended;
    expect(run.code).toBe(0);
    expect(readFileSync(project.path("out.jsonl"), "utf8")).toContain('"model":"local.localai"');
  });

  it("refuses to overwrite a config unless it is told to", async () => {
    const project = await givenProject();
    const url = project.backend.baseUrl;
    project.write("promptfleet.json", "mine");
    const refused = await project.start(["init", "--server", url], { bare: true }).ended;
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/promptfleet\.json is there already; --force overwrites it/);
    expect(readFileSync(project.path("promptfleet.json"), "utf8")).toBe("mine");
    const forced = await project.start(["init", "--server", url, "--force", "--json"], { bare: true }).ended;
    expect(forced.code).toBe(0);
    expect(JSON.parse(forced.stdout)).toMatchObject({ servers: [{ models: ["simulated-model"] }], keys: [] });
  });

  it("says what to start where it finds nothing", async () => {
    const [project, dead] = [await givenProject(), await givenDeadBackend()];
    const ended = await project.start(["init", "--server", dead.baseUrl], { bare: true }).ended;
    expect(ended.code).toBe(0);
    expect(ended.stdout).toMatch(/found no model server and no key/);
    expect(ended.stdout).toContain("ollama serve");
    expect(JSON.parse(readFileSync(project.path("promptfleet.json"), "utf8"))).toEqual({ extends: "default" });
  });

  it("refuses an address that is none", async () => {
    const project = await givenProject();
    const ended = await project.start(["init", "--server", "localhost:8000"], { bare: true }).ended;
    expect([ended.code, ended.stdout]).toEqual([1, ""]);
    expect(ended.stderr).toMatch(/--server must be a URL that starts with http/);
  });
});
