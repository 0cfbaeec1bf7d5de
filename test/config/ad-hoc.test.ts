import { describe, expect, it } from "vitest";
import { findModel, modelsOfFlags } from "../../src/config/ad-hoc.ts";
import type { LoadOptions } from "../../src/config/load.ts";
import { givenFiles, loadFile, loadIn, refusalOf, smallConfig } from "./given-files.ts";

/** The packaged config with these flags, and the models that they mean. */
async function loadWith(flags: LoadOptions) {
  const config = await loadIn(givenFiles(), flags);
  const { model, forceModel } = modelsOfFlags(flags);
  return { config, model: findModel(config, model ?? ""), forced: findModel(config, forceModel ?? "") };
}

describe("--model", () => {
  it("takes an alias of the registry", async () => {
    const { model } = await loadWith({ model: "claude.haiku" });
    expect(model?.alias).toBe("claude.haiku");
  });

  it("takes a provider's model id of the registry", async () => {
    expect((await loadWith({ model: "gpt-4o" })).model?.alias).toBe("openai.gpt4o");
  });

  it("takes any id of a configured tier, also one with slashes", async () => {
    const { config, model } = await loadWith({ model: "vllm/org/model-7b" });
    expect(model).toMatchObject({
      alias: "vllm/org/model-7b",
      tier: "vllm",
      model: "org/model-7b",
      maxOutputTokens: 2048,
    });
    expect(config.models["vllm/org/model-7b"]).toEqual(model);
  });

  it("keeps the price of a model that the registry has under another name", async () => {
    const { model } = await loadWith({ model: "claude/claude-haiku-5-5" });
    expect(model).toMatchObject({ alias: "claude.haiku", price: { inputPerMTok: 0.1 } });
  });

  it.each([
    ["ollama/qwen3:8b", ["http://127.0.0.1:11434"], "local"],
    ["vllm/m", ["http://127.0.0.1:8000/v1"], "local"],
    ["localai/m", ["http://127.0.0.1:8080/v1"], "local"],
    ["llama-cpp/smollm2-135m", [], "local"],
    ["openai/gpt-4o", ["https://api.openai.com/v1"], "cloud"],
    ["claude-cli/opus", [], "cloud"],
  ])("makes a tier of the provider of %s where the config has none", async (name, baseUrls, location) => {
    const config = await loadFile(smallConfig, { model: name });
    const provider = name.slice(0, name.indexOf("/"));
    expect(config.tiers[provider]).toMatchObject({ name: provider, provider, baseUrls, location });
    expect(config.models[name]?.tier).toBe(provider);
  });

  it("reads the provider's usual key for a tier that it makes", async () => {
    const config = await loadFile(smallConfig, { model: "openai/gpt-4o", environment: { OPENAI_API_KEY: "key" } });
    expect(config.keyOf("openai")).toBe("key");
  });

  it.each([
    ["olama/qwen3", 'did you mean "ollama"?'],
    ["claude.haiko", 'did you mean "claude.haiku"?'],
    ["openai-compatible/m", "--base-url URL --model m"],
    ["ollama/", "expects an alias"],
    ["auto", "expects an alias"],
  ])("refuses %s", async (model, expected) => {
    expect(await refusalOf(loadIn(givenFiles(), { model }))).toContain(expected);
    expect(await refusalOf(loadIn(givenFiles(), { forceModel: model }))).toContain("--force-model");
  });
});

describe("--base-url", () => {
  it("makes a tier named after host and port", async () => {
    const { config, model } = await loadWith({ baseUrl: "http://127.0.0.1:8000/v1", model: "my-model" });
    expect(model).toMatchObject({ alias: "127.0.0.1-8000/my-model", tier: "127.0.0.1-8000", model: "my-model" });
    expect(config.tiers["127.0.0.1-8000"]).toMatchObject({
      provider: "openai-compatible",
      baseUrls: ["http://127.0.0.1:8000/v1"],
      location: "local",
    });
  });

  it("asks the server for its model where none is named", async () => {
    expect((await loadWith({ baseUrl: "http://127.0.0.1:9/v1" })).model?.model).toBe("auto");
  });

  it("does not take the id for one of the registry", async () => {
    const { model } = await loadWith({ baseUrl: "http://127.0.0.1:9/v1", model: "gpt-4o" });
    expect(model?.tier).toBe("127.0.0.1-9");
  });

  it("gives the forced model to its tier too", async () => {
    const { forced } = await loadWith({ baseUrl: "http://127.0.0.1:9/v1", forceModel: "org/m" });
    expect(forced).toMatchObject({ tier: "127.0.0.1-9", model: "org/m" });
  });

  it.each([
    ["https://gpu.example.net/v1", "gpu.example.net-443", "cloud"],
    ["http://8.8.8.8/v1", "8.8.8.8-80", "cloud"],
    ["http://[::1]:9/v1", "1-9", "local"],
    ["http://localhost:9", "localhost-9", "local"],
  ])("names and places the tier of %s", async (baseUrl, tier, location) => {
    const { config } = await loadWith({ baseUrl, model: "m" });
    expect(config.tiers[tier]?.location).toBe(location);
  });

  it("sends no key to a server that nobody said may see it", async () => {
    const flags = { baseUrl: "https://gpu.example.net/v1", environment: { OPENAI_API_KEY: "key" } };
    expect((await loadWith(flags)).config.keyOf("gpu.example.net-443")).toBeUndefined();
  });

  it.each(["127.0.0.1:8000", "ftp://a", "http://me:SECRET@a"])("refuses %s", async (baseUrl) => {
    const refusal = await refusalOf(loadIn(givenFiles(), { baseUrl, model: "m" }));
    expect(refusal).toContain("--base-url must be a URL");
    expect(refusal).not.toContain("SECRET");
  });
});
