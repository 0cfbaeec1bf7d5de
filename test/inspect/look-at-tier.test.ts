import { describe, expect, it } from "vitest";
import { buildConfig } from "../../src/config/build.ts";
import type { ModelFile, TierFile } from "../../src/config/schema.ts";
import { lookAtModel } from "../../src/inspect/look-at-model.ts";
import { lookAtTier } from "../../src/inspect/look-at-tier.ts";
import { timeCall } from "../../src/inspect/timed-call.ts";
import type { Outcome } from "../../src/job/outcome.ts";
import type { Adapter, Probe } from "../../workers/adapter.ts";

const refused: Probe = {
  usable: false,
  outcome: { kind: "unreachable", message: "127.0.0.1:8000 cannot be reached: connection refused" },
};

interface Given {
  readonly probe?: Probe;
  readonly outcomes?: readonly Outcome[];
  readonly program?: string;
  readonly model?: Partial<ModelFile>;
  readonly keys?: Readonly<Record<string, string>>;
}

/** A tier whose server answers as the test says. */
function given(tier: TierFile, { probe = refused, outcomes = [], program, model, keys = {} }: Given = {}) {
  const config = buildConfig(
    {
      tiers: { lab: tier },
      models: { m: { tier: "lab", model: "auto", ...model } },
      tasks: { simple: { primary: "m" } },
    },
    { fleet: "test", source: "given", keys: new Map(Object.entries(keys)) },
  );
  const left = [...outcomes];
  const state = { opened: 0, closed: 0 };
  const adapter: Adapter = {
    provider: tier.provider!,
    defaultConcurrency: 1,
    needsBaseUrl: true,
    connect() {
      state.opened++;
      return {
        call: async () => left.shift()!,
        probe: async () => probe,
        async close() {
          state.closed++;
        },
      };
    },
  };
  return {
    config,
    adapter,
    state,
    look: () => lookAtTier(config.tiers.lab!, config, { adapter, programAt: async () => program }),
  };
}

describe("a tier", () => {
  it("is not set up while nothing listens at its usual address, and says what starts it", async () => {
    expect(await given({ provider: "vllm" }).look()).toMatchObject({
      state: "not-set-up",
      reason: "nothing listens at http://127.0.0.1:8000/v1",
      mend: "start it: vllm serve MODEL --port 8000",
    });
  });

  it("is not set up when another program uses that port", async () => {
    const look = await given({ provider: "localai" }, { program: "llama.cpp b1" }).look();
    expect(look).toMatchObject({ state: "not-set-up", reason: "llama.cpp b1 listens at http://127.0.0.1:8080/v1" });
    expect(look.mend).toBeUndefined();
  });

  it("is broken when somebody gave it an address at which nothing listens", async () => {
    const tier: TierFile = { provider: "vllm", baseUrl: "http://127.0.0.1:9000/v1" };
    expect(await given(tier).look()).toMatchObject({ state: "broken", reason: expect.stringContaining("refused") });
  });

  it("is not set up without its key, and broken when the key is refused", async () => {
    const probe: Probe = {
      usable: false,
      outcome: { kind: "unavailable", scope: "tier", reason: "bad-key", message: "401" },
    };
    const without = given({ provider: "openai" }, { probe });
    expect(await without.look()).toMatchObject({ state: "not-set-up", reason: "OPENAI_API_KEY is not set" });
    expect(without.state.opened).toBe(0);
    const wrong = given({ provider: "openai" }, { probe, keys: { OPENAI_API_KEY: "sk-wrong" } });
    expect(await wrong.look()).toMatchObject({
      state: "broken",
      reason: "401",
      mend: expect.stringMatching(/put a valid/),
    });
    expect(wrong.state).toEqual({ opened: 1, closed: 1 });
  });

  it("is broken at its usual address too when a server is there that does not work", async () => {
    const probe: Probe = { usable: false, outcome: { kind: "server-error", message: "500" } };
    expect(await given({ provider: "ollama" }, { probe }).look()).toMatchObject({ state: "broken", reason: "500" });
  });
});

describe("a model", () => {
  const listed: Probe = { usable: true, models: ["llama3.2:latest", "qwen3:8b"] };
  it.each<[string, TierFile, string, object]>([
    ["that the server lists", { provider: "ollama" }, "qwen3:8b", { usable: true }],
    ["whose tag Ollama adds", { provider: "ollama" }, "llama3.2", { usable: true }],
    ["that may be any", { provider: "ollama" }, "auto", { usable: true, meant: "llama3.2:latest" }],
    ["that Ollama lacks", { provider: "ollama" }, "phi4", { usable: false, mend: "ollama pull phi4" }],
    [
      "that a server takes without listing it",
      { provider: "openai-compatible", baseUrl: "http://127.0.0.1:1/v1" },
      "x",
      { usable: true },
    ],
  ])("%s", async (_title, tier, id, expected) => {
    const { config, look } = given(tier, { probe: listed, model: { model: id } });
    expect(lookAtModel(config.models.m!, config, await look())).toMatchObject(expected);
  });

  it("cannot be used when its server has none at all", async () => {
    const { config, look } = given({ provider: "ollama" }, { probe: { usable: true, models: [] } });
    expect(lookAtModel(config.models.m!, config, await look())).toMatchObject({
      usable: false,
      mend: "ollama pull llama3.2",
    });
  });
});

describe("a timed call", () => {
  const answer: Outcome = {
    kind: "answered",
    answer: {
      text: "y",
      finishReason: "length",
      usage: { inputTokens: 1, outputTokens: 1, cachedTokens: 0 },
      model: "m",
    },
  };

  it("is made twice where the first may load the model, and once where it costs money", async () => {
    const local = given({ provider: "ollama" }, { outcomes: [answer, answer] });
    const { config, adapter } = local;
    const timed = await timeCall(config.tiers.lab!, config, adapter, config.models.m!, "m");
    expect(timed).toMatchObject({ answered: true, firstMs: expect.any(Number), latencyMs: expect.any(Number) });
    const cloud = given({ provider: "openai" }, { outcomes: [answer], keys: { OPENAI_API_KEY: "k" } });
    const once = await timeCall(cloud.config.tiers.lab!, cloud.config, cloud.adapter, cloud.config.models.m!, "m");
    expect(once).toEqual({ answered: true, model: "m", latencyMs: expect.any(Number) });
    expect([local.state.closed, cloud.state.closed]).toEqual([1, 1]);
  });

  it("says why it was not answered, and what mends it", async () => {
    const missing: Outcome = { kind: "unavailable", scope: "model", reason: "model-missing", message: "no such model" };
    const { config, adapter } = given({ provider: "ollama" }, { outcomes: [missing] });
    expect(await timeCall(config.tiers.lab!, config, adapter, config.models.m!, "m")).toEqual({
      answered: false,
      model: "m",
      reason: "no such model",
      mend: "ollama pull m",
    });
  });
});
