import { describe, expect, it } from "vitest";
import { loadFile, refusalOf, smallConfig } from "./given-files.ts";

const over = (file: object) => loadFile({ extends: "default", ...file });

describe('"extends": "default"', () => {
  it("keeps the packaged tiers, models and tasks and adds those of the file", async () => {
    const config = await over({ ...smallConfig, defaultTask: "offline" });
    expect(Object.keys(config.tiers)).toEqual(expect.arrayContaining(["claude", "ollama", "lab"]));
    expect(config.models["claude.haiku"]?.model).toBe("claude-haiku-5-5");
    expect(config.tasks.simple?.primary).toBe("small");
    expect(config.defaultTask).toBe("offline");
  });

  it("merges one entry key by key", async () => {
    const config = await over({ tiers: { claude: { concurrency: 3, limits: { rpm: 5 } } } });
    expect(config.tiers.claude).toMatchObject({
      provider: "anthropic",
      apiKeyEnv: "ANTHROPIC_API_KEY",
      concurrency: 3,
    });
    expect(config.tiers.claude?.limits).toEqual({ rpm: 5 });
  });

  it("asks again where a tier is when its address changes", async () => {
    const config = await over({ tiers: { ollama: { baseUrl: "http://gpu.example.net:11434" } } });
    expect(config.tiers.ollama?.location).toBe("cloud");
  });

  it("does not let another model inherit a price", async () => {
    const config = await over({ models: { "claude.haiku": { model: "claude-of-tomorrow" } } });
    expect(config.models["claude.haiku"]).toMatchObject({ tier: "claude", model: "claude-of-tomorrow" });
    expect(config.models["claude.haiku"]?.price).toBeUndefined();
  });

  it("changes one number of a price and keeps the others", async () => {
    const config = await over({ models: { "claude.haiku": { price: { inputPerMTok: 9, outputPerMTok: 10 } } } });
    expect(config.models["claude.haiku"]?.price).toMatchObject({ inputPerMTok: 9, cachedInputPerMTok: 0.01 });
  });

  it("replaces a tier that gets another provider", async () => {
    const config = await over({ tiers: { claude: { provider: "ollama" } } });
    expect(config.tiers.claude).toMatchObject({ provider: "ollama", location: "local" });
    expect(config.tiers.claude?.apiKeyEnv).toBeUndefined();
  });

  it("lets a fallback become the primary", async () => {
    const config = await over({ tasks: { documentation: { primary: "local.llama3" } } });
    expect(config.tasks.documentation).toMatchObject({ primary: "local.llama3", fallback: [] });
    expect(config.tasks.documentation?.why).toBeUndefined();
  });

  it("keeps a private task private when its route changes", async () => {
    const config = await over({ tasks: { "private-data": { primary: "claude.opus" } } });
    expect(config.tasks["private-data"]?.private).toBe(true);
  });

  it("still needs all of a new entry", async () => {
    const refusal = await refusalOf(
      over({ tiers: { mine: { concurrency: 2 } }, models: { m: { tier: "mine" } }, tasks: { t: {} } }),
    );
    for (const path of ["tiers.mine.provider", "models.m.model", "tasks.t.primary"]) expect(refusal).toContain(path);
  });
});
