import { describe, expect, it } from "vitest";
import { loadConfig, packagedConfigPath } from "../../src/config/load.ts";
import { draftConfig, draftServers, draftTasks, type ModelState } from "../../src/inspect/draft-config.ts";

const packaged = await loadConfig({ configPath: packagedConfigPath(), environment: { HOME: "/nowhere" } });
const task = (name: string) => [packaged.tasks[name]!];
/** Every model is skipped but these. */
const states = (known: Readonly<Record<string, ModelState>>) => (alias: string) => known[alias] ?? "skipped";

describe("the tiers of found servers", () => {
  it("are those of the packaged config where the server is at its usual address", () => {
    const found = { program: "ollama", baseUrl: "http://127.0.0.1:11434", models: ["qwen3:8b"] } as const;
    expect(draftServers([found], packaged)).toEqual({ tiers: {}, models: {}, aliases: ["local.ollama"] });
  });

  it("get another address, or a list of them, and a tier of their own for other programs", () => {
    const at = (program: "vllm" | "llama.cpp", port: number) =>
      ({ program, baseUrl: `http://127.0.0.1:${port}/v1`, models: ["m"] }) as const;
    const { tiers, models, aliases } = draftServers([at("llama.cpp", 1), at("vllm", 2), at("vllm", 3)], packaged);
    expect(tiers).toEqual({
      vllm: { baseUrl: ["http://127.0.0.1:2/v1", "http://127.0.0.1:3/v1"] },
      llamacpp: { provider: "openai-compatible", baseUrl: "http://127.0.0.1:1/v1", location: "local" },
    });
    expect(Object.keys(models)).toEqual(["local.llamacpp"]);
    expect(aliases).toEqual(["local.vllm", "local.llamacpp"]);
  });

  it("are none for a server without a model", () => {
    const empty = { program: "ollama", baseUrl: "http://127.0.0.1:1", models: [] } as const;
    expect(draftServers([empty], packaged)).toEqual({ tiers: {}, models: {}, aliases: [] });
  });
});

describe("the routes that are written", () => {
  it("stay as they are where the first model can be used", () => {
    expect(
      draftTasks(task("simple"), states({ "claude.haiku": "usable", "local.ollama": "usable" }), ["local.vllm"]),
    ).toEqual({});
  });

  it("get what was found where nothing else is left, behind models that wait for a key only", () => {
    expect(draftTasks(task("code-review"), states({}), ["local.vllm"])).toEqual({
      "code-review": { fallback: ["openai.gpt4", "local.vllm"] },
    });
  });

  it("do not give images to a model of which nobody knows whether it sees any", () => {
    expect(draftTasks(task("vision"), states({}), ["local.vllm"])).toEqual({});
  });

  it("put what is down last, as rows would wait for it", () => {
    const down = states({ "local.vllm": "down", "local.localai": "usable" });
    expect(draftTasks(task("high-volume"), down, ["local.localai"])).toEqual({
      "high-volume": { primary: "local.localai", fallback: ["local.vllm"] },
    });
    const allDown = states({ "local.ollama": "down", "local.localai": "down" });
    expect(draftTasks(task("private-data"), allDown, ["local.llamacpp"])).toEqual({
      "private-data": { primary: "local.llamacpp", fallback: ["local.ollama", "local.localai"] },
    });
  });

  it("stay as they are where nothing was found", () => {
    expect(draftTasks(Object.values(packaged.tasks), states({}), [])).toEqual({});
  });

  it("make a config that can be read", async () => {
    const servers = draftServers([{ program: "llama.cpp", baseUrl: "http://127.0.0.1:1/v1", models: ["m"] }], packaged);
    const tasks = draftTasks(Object.values(packaged.tasks), states({}), servers.aliases);
    const config = await loadConfig({ config: draftConfig(servers, tasks), environment: { HOME: "/nowhere" } });
    expect(config.tasks["private-data"]).toMatchObject({ private: true, primary: "local.ollama" });
    expect(config.models["local.llamacpp"]?.tier).toBe("llamacpp");
  });
});
