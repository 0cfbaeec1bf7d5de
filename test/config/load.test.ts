import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { configFileSchema } from "../../src/config/schema.ts";
import { givenFiles, loadFile, loadIn, refusalOf, smallConfig } from "./given-files.ts";

const named = (fleet: string) => ({ ...smallConfig, fleet });

describe("which config is used", () => {
  const files = { "flag.json": named("flag"), "variable.json": named("variable") };
  const own = { "promptfleet.json": named("own") };
  const shared = { "config/models.json": named("shared") };

  it("prefers --config to all others", async () => {
    const folder = givenFiles({ ...files, ...own, ...shared });
    const config = await loadIn(folder, {
      configPath: "flag.json",
      environment: { PROMPTFLEET_CONFIG: "variable.json" },
    });
    expect(config).toMatchObject({ fleet: "flag", source: join(folder, "flag.json") });
  });

  it("prefers PROMPTFLEET_CONFIG to what lies in the folder", async () => {
    const folder = givenFiles({ ...files, ...own, ...shared });
    expect((await loadIn(folder, { environment: { PROMPTFLEET_CONFIG: "variable.json" } })).fleet).toBe("variable");
  });

  it("prefers promptfleet.json to config/models.json", async () => {
    expect((await loadIn(givenFiles({ ...own, ...shared }))).fleet).toBe("own");
  });

  it("takes config/models.json when it has tiers and tasks", async () => {
    expect((await loadIn(givenFiles(shared))).fleet).toBe("shared");
  });

  it("leaves a config/models.json of another program alone, even a broken one", async () => {
    for (const other of [{ models: ["user", "post"] }, "module.exports = {}"]) {
      expect((await loadIn(givenFiles({ "config/models.json": other }))).source).toBe("packaged");
    }
  });

  it("says that a file is not there, and who named it", async () => {
    const folder = givenFiles();
    expect(await refusalOf(loadIn(folder, { configPath: "no.json" }))).toMatch(
      /no\.json \(--config\): there is no such file/,
    );
    const variable = loadIn(folder, { environment: { PROMPTFLEET_CONFIG: "no.json" } });
    expect(await refusalOf(variable)).toContain("(PROMPTFLEET_CONFIG)");
  });

  it("says that a folder is no config", async () => {
    expect(await refusalOf(loadIn(givenFiles(), { configPath: "." }))).toContain("cannot read the config");
  });

  it("takes a config given as a value", async () => {
    const config = await loadIn(givenFiles(own), { config: configFileSchema.parse(named("given")) });
    expect(config.fleet).toBe("given");
  });
});

describe("the loaded config", () => {
  it("reads comments, trailing commas and a byte order mark", async () => {
    const text = `\uFEFF// mine\n${JSON.stringify(named("commented")).slice(0, -1)}, /* end */ }`;
    expect((await loadFile(text)).fleet).toBe("commented");
  });

  it("is frozen at every depth", async () => {
    const config = await loadFile({ ...smallConfig, policy: { trustedHosts: ["gpu"] } });
    for (const part of [
      config,
      config.tiers,
      config.tiers.lab,
      config.tiers.lab?.baseUrls,
      config.policy.trustedHosts,
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it("fills in the documented defaults", async () => {
    const config = await loadFile(smallConfig);
    expect(config.tiers.lab).toEqual({
      name: "lab",
      provider: "ollama",
      baseUrls: ["http://127.0.0.1:11434"],
      location: "local",
      concurrency: "auto",
      requestTimeoutMs: 600_000,
      fallbackAfterMs: 300_000,
    });
    expect(config.models.small).toEqual({
      alias: "small",
      tier: "lab",
      model: "llama3.2",
      maxOutputTokens: 2048,
      defaults: {},
    });
    expect(config.tasks.simple).toEqual({
      name: "simple",
      primary: "small",
      fallback: [],
      private: false,
      prefer: "listed",
    });
    expect(config).toMatchObject({ fleet: "promptfleet", defaultTask: "simple" });
  });

  it("adds the path of the API to a base URL without one, and takes closing slashes away", async () => {
    const urls = { a: ["vllm", "http://a:1/"], b: ["localai", "http://a/api/v1/"], c: ["ollama", "http://a:1//"] };
    const tiers = Object.entries(urls).map(([name, [provider, baseUrl]]) => [name, { provider, baseUrl }]);
    const config = await loadFile({ ...smallConfig, tiers: { ...smallConfig.tiers, ...Object.fromEntries(tiers) } });
    expect(["a", "b", "c"].map((name) => config.tiers[name]?.baseUrls[0])).toEqual([
      "http://a:1/v1",
      "http://a/api/v1",
      "http://a:1",
    ]);
  });

  it("learns the limits of a cloud tier from its headers unless it is told", async () => {
    const tiers = {
      ...smallConfig.tiers,
      far: { provider: "anthropic" },
      told: { provider: "openai", limits: { rpm: 5 } },
    };
    const config = await loadFile({ ...smallConfig, tiers });
    expect(config.tiers.far?.limits).toBe("auto");
    expect(config.tiers.told?.limits).toEqual({ rpm: 5 });
    expect(config.tiers.lab?.limits).toBeUndefined();
  });

  it("has no entry by a name that every object has", async () => {
    const config = await loadFile(smallConfig);
    for (const name of ["constructor", "toString", "__proto__"]) {
      expect([config.tasks[name], config.models[name], config.tiers[name]]).toEqual([undefined, undefined, undefined]);
    }
  });

  it("takes the fleet's name from the flag, else the variable, else the file", async () => {
    const environment = { PROMPTFLEET_FLEET: "variable" };
    expect((await loadFile(named("file"), { fleet: "flag", environment })).fleet).toBe("flag");
    expect((await loadFile(named("file"), { environment })).fleet).toBe("variable");
    expect(await refusalOf(loadFile(smallConfig, { fleet: "a{b}" }))).toContain("the fleet name must be");
  });
});

describe("--concurrency", () => {
  it("sets the calls at once of a tier", async () => {
    expect((await loadFile(smallConfig, { concurrency: { lab: 7 } })).tiers.lab?.concurrency).toBe(7);
  });

  it("names the nearest tier for an unknown one", async () => {
    expect(await refusalOf(loadFile({ extends: "default" }, { concurrency: { olama: 7 } }))).toContain(
      'did you mean "ollama"?',
    );
  });

  it.each([0, -1, 1.5, Number.NaN])("refuses %d", async (calls) => {
    expect(await refusalOf(loadFile(smallConfig, { concurrency: { lab: calls } }))).toContain(
      "expected a whole number",
    );
  });
});
