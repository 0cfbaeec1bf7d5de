import { describe, expect, it } from "vitest";
import { buildConfig } from "../../src/config/build.ts";
import { createUseMeter, quotaScopesOf, readQuota } from "../../src/serve/quota-use.ts";

describe("the quotas of a configuration", () => {
  const config = buildConfig(
    {
      tiers: {
        shared: { provider: "openai-compatible", baseUrl: "http://127.0.0.1:9/v1", limits: { tpm: 600 } },
        cloud: { provider: "anthropic" },
        free: { provider: "ollama" },
      },
      models: {
        one: { tier: "shared", model: "one" },
        two: { tier: "shared", model: "two" },
        own: { tier: "shared", model: "own", limits: { rpm: 6 } },
        haiku: { tier: "cloud", model: "haiku" },
        llama: { tier: "free", model: "llama" },
      },
      tasks: { simple: { primary: "one" } },
    },
    { fleet: "f", source: "given", keys: new Map() },
  );

  it("are those of models with limits, of tiers whose models share them, and of models that learn theirs", () => {
    expect(quotaScopesOf(config)).toEqual([
      { scope: "shared", tier: "shared", models: ["one", "two"], limits: { tpm: 600 } },
      { scope: "shared/own", tier: "shared", models: ["own"], limits: { rpm: 6 } },
      { scope: "cloud/haiku", tier: "cloud", models: ["haiku"], limits: "auto" },
    ]);
  });

  it("are read from what Redis knows: what is charged ahead, limits as learned, a pause with its reason", () => {
    const [shared, , haiku] = quotaScopesOf(config);
    expect(readQuota(shared!, Array(10).fill(null), 1_000)).toMatchObject({
      limits: [{ name: "tokens", perMinute: 600, isInUse: false }],
      pausedForMs: 0,
      pauseReason: undefined,
    });
    const learned = ["1500", "900", null, null, "50", "4000", null, null, "3000", "slow down"];
    expect(readQuota(haiku!, learned, 1_000)).toMatchObject({
      limits: [
        { name: "requests", perMinute: 50, isInUse: true },
        { name: "tokens", perMinute: 4_000, isInUse: false },
      ],
      pausedForMs: 2_000,
      pauseReason: "slow down",
    });
  });
});

describe("how much of a limit is used", () => {
  it("is the part of looks at which it was in use, over the last third of a minute", () => {
    const useOf = createUseMeter();
    let share = 0;
    for (let second = 0; second < 200; second++) share = useOf("a", second % 4 === 0, second * 1_000);
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.3);
    for (let second = 200; second < 300; second++) share = useOf("a", true, second * 1_000);
    expect(share).toBeGreaterThan(0.98);
    expect(useOf("b", false, 0)).toBe(0);
    expect(useOf("b", true, 1_000)).toBe(1);
  });
});
