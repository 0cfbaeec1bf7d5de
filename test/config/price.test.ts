import { describe, expect, it } from "vitest";
import { buildConfig } from "../../src/config/build.ts";
import { costUsdOf, priceOf, withKnownPrices } from "../../src/config/price.ts";
import type { TierFile } from "../../src/config/schema.ts";

const own = { inputPerMTok: 1, outputPerMTok: 2 };

/** The price of a model of a tier. */
function given(tier: TierFile, model: string, price?: typeof own) {
  const config = buildConfig(
    {
      tiers: { lab: tier },
      models: { m: { tier: "lab", model, ...(price && { price }) } },
      tasks: { simple: { primary: "m" } },
    },
    { fleet: "test", source: "given", keys: new Map() },
  );
  return { config, price: priceOf(config.models.m!, config.tiers.lab!) };
}

describe("the price of a model", () => {
  it("is the one of the config before all others, also on a local machine", async () => {
    expect(await given({ provider: "openai" }, "gpt-4o", own).price).toEqual(own);
    expect(await given({ provider: "ollama" }, "llama3.2", own).price).toEqual(own);
  });

  it("is nothing on a local machine, and unknown for whatever model a cloud server happens to have", async () => {
    expect(await given({ provider: "ollama" }, "auto").price).toMatchObject({ inputPerMTok: 0, outputPerMTok: 0 });
    const cloud: TierFile = { provider: "openai-compatible", baseUrl: "https://llm.example.net/v1" };
    expect(await given(cloud, "auto").price).toBeUndefined();
  });

  it("is the price table's for the very same id", async () => {
    expect(await given({ provider: "openai" }, "gpt-4o").price).toMatchObject({
      inputPerMTok: 2.5,
      outputPerMTok: 10,
      cachedInputPerMTok: 1.25,
    });
  });

  it.each(["gpt-4o-but-another", "claude-sonnet-5-5", "no-such-model"])(
    "is not that of a model whose id only begins like it: %s",
    async (model) => {
      const provider = model.startsWith("claude") ? "anthropic" : "openai";
      expect(await given({ provider }, model).price).toBeUndefined();
    },
  );

  it("is the highest where it rises with the length of the prompt", async () => {
    const google: TierFile = {
      provider: "openai-compatible",
      baseUrl: "https://generativelanguage.googleapis.com/v1beta/openai",
    };
    expect(await given(google, "gemini-2.5-pro").price).toMatchObject({ inputPerMTok: 2.5, outputPerMTok: 15 });
  });

  it("is filled in where a config has none, so that costs and budgets know it", async () => {
    const filled = await withKnownPrices(given({ provider: "openai" }, "gpt-4o").config);
    expect(filled.models.m?.price).toMatchObject({ inputPerMTok: 2.5 });
    expect(costUsdOf({ inputTokens: 1_000_000, outputTokens: 0, cachedTokens: 0 }, filled.models.m?.price)).toBe(2.5);
    const local = await withKnownPrices(given({ provider: "ollama" }, "llama3.2").config);
    expect(local.models.m?.price).toBeUndefined();
  });
});
