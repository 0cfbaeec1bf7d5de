import { execFile } from "node:child_process";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import type { Config } from "../../src/config/config.ts";
import { packageRoot } from "../../src/config/package-root.ts";
import { givenFiles, loadIn } from "./given-files.ts";

const loadPackaged = (): Promise<Config> => loadIn(givenFiles());
const generate = join(packageRoot(), "scripts", "gen-schema.ts");
const run = (...flags: string[]) => promisify(execFile)(process.execPath, [generate, ...flags]);

describe("the packaged config", () => {
  it("has the routes that the project promises, each with its reason", async () => {
    const { tasks, defaultTask, source } = await loadPackaged();
    const routes = Object.fromEntries(
      Object.values(tasks).map((task) => [task.name, [task.primary, ...task.fallback]]),
    );
    expect(routes).toEqual({
      orchestration: ["claude.opus"],
      "code-review": ["claude.sonnet", "openai.gpt4"],
      documentation: ["claude.haiku", "local.llama3"],
      vision: ["openai.gpt4o", "claude.sonnet"],
      "private-data": ["local.ollama", "local.localai"],
      "high-volume": ["local.vllm", "local.localai"],
      offline: ["local.ollama"],
      simple: ["claude.haiku", "local.ollama"],
      analysis: ["claude.sonnet", "openai.gpt4"],
      complex: ["claude.opus", "openai.gpt4"],
    });
    expect(
      Object.values(tasks)
        .filter((task) => task.private)
        .map((task) => task.name),
    ).toEqual(["private-data"]);
    expect(Object.values(tasks).filter((task) => !task.why)).toEqual([]);
    expect({ defaultTask, source }).toEqual({ defaultTask: "simple", source: "packaged" });
  });

  it("names the models that the project promises", async () => {
    const { models } = await loadPackaged();
    expect(
      Object.fromEntries(Object.values(models).map(({ alias, tier, model }) => [alias, `${tier} ${model}`])),
    ).toEqual({
      "claude.opus": "claude claude-opus-5-5",
      "claude.sonnet": "claude claude-sonnet-5-5",
      "claude.haiku": "claude claude-haiku-5-5",
      "openai.gpt4": "openai gpt-4.1",
      "openai.gpt4o": "openai gpt-4o",
      "local.llama3": "ollama llama3.2",
      "local.ollama": "ollama auto",
      "local.localai": "localai auto",
      "local.vllm": "vllm auto",
      "embedded.smollm2": "embedded smollm2-135m",
    });
  });

  it("says of every cloud model what it costs, from where and when that is known, and how much it takes", async () => {
    const { models, tiers } = await loadPackaged();
    const cloud = Object.values(models).filter(({ tier }) => tiers[tier]?.location === "cloud");
    expect(cloud).toHaveLength(5);
    for (const model of cloud) {
      expect(model.price?.inputPerMTok).toBeGreaterThan(0);
      expect(model.price?.outputPerMTok).toBeGreaterThan(model.price?.inputPerMTok ?? Number.NaN);
      expect(model.price?.cachedInputPerMTok).toBeLessThan(model.price?.inputPerMTok ?? Number.NaN);
      expect(model.price?.source).toMatch(/\w/);
      expect(model.price?.date).toMatch(/^\d{4}-\d\d-\d\d$/);
      expect(model.contextTokens).toBeGreaterThan(model.maxOutputTokens);
    }
  });

  it("has its servers on this machine local and its providers in the cloud", async () => {
    const { tiers } = await loadPackaged();
    expect(Object.fromEntries(Object.values(tiers).map(({ name, location }) => [name, location]))).toEqual({
      claude: "cloud",
      openai: "cloud",
      vllm: "local",
      localai: "local",
      ollama: "local",
      embedded: "local",
    });
  });

  it("never answers with the small embedded model unasked", async () => {
    const { tasks } = await loadPackaged();
    const used = Object.values(tasks).flatMap((task) => [task.primary, ...task.fallback]);
    expect(used.filter((alias) => alias.startsWith("embedded."))).toEqual([]);
  });

  it("is what lies in the checkout's own config folder too", async () => {
    expect((await loadIn(packageRoot(), { environment: { HOME: givenFiles() } })).source).toBe("packaged");
  });
});

describe("the generated JSON schema", () => {
  it("is current", async () => {
    await expect(run("--check")).resolves.toMatchObject({ stderr: "" });
  });

  it("is found stale when it differs or is missing", async () => {
    const folder = givenFiles();
    const output = join(folder, "models.schema.json");
    await expect(run("--check", "--output", output)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("is stale"),
    });
    copyFileSync(join(packageRoot(), "config", "models.schema.json"), output);
    await expect(run("--check", "--output", output)).resolves.toBeDefined();
    writeFileSync(output, "{}\n");
    await expect(run("--check", "--output", output)).rejects.toMatchObject({ code: 1 });
  });
});
