import type { Usage } from "../job/outcome.ts";
import type { Config, ModelConfig, Price, Provider, TierConfig } from "./config.ts";

/** USD of one call; 0 without a price. Cached input costs its own price where there is one, else that of input. */
export function costUsdOf(usage: Usage, price: Price | undefined): number {
  if (price === undefined) return 0;
  const cachedPrice = price.cachedInputPerMTok ?? price.inputPerMTok;
  const uncached = Math.max(0, usage.inputTokens - usage.cachedTokens);
  const perMillion =
    uncached * price.inputPerMTok + usage.cachedTokens * cachedPrice + usage.outputTokens * price.outputPerMTok;
  return perMillion / 1_000_000;
}

/** What a model costs that runs on the user's own machines. */
const ownMachine: Price = { inputPerMTok: 0, outputPerMTok: 0, source: "runs on a local machine" };

/** The names that the price table has for providers whose address says it all. */
const tableNames: Partial<Record<Provider, string>> = { anthropic: "anthropic", openai: "openai" };

/**
 * What a model costs: as the config says, nothing on a local machine, else as the packaged price table says. Undefined
 * when nobody knows. The table's package is loaded when it is first asked.
 */
export async function priceOf(model: ModelConfig, tier: TierConfig): Promise<Price | undefined> {
  if (model.price !== undefined) return model.price;
  if (tier.location === "local") return ownMachine;
  if (model.model === "auto") return undefined;
  const { calcPrice } = await import("@pydantic/genai-prices");
  const providerId = tableNames[tier.provider];
  const baseUrl = tier.baseUrls[0];
  const where =
    providerId !== undefined ? { providerId } : baseUrl !== undefined ? { providerApiUrl: baseUrl } : undefined;
  if (where === undefined) return undefined;
  // It finds models by the beginning of their id too, and so gives a new model the price of an older one.
  const found = calcPrice({ input_tokens: 1, output_tokens: 1 }, model.model, where);
  if (found === null || found.model.id !== model.model) return undefined;
  const { input_mtok, output_mtok, cache_read_mtok } = found.model_price;
  const inputPerMTok = dearest(input_mtok);
  const outputPerMTok = dearest(output_mtok);
  const cachedInputPerMTok = dearest(cache_read_mtok);
  if (inputPerMTok === undefined || outputPerMTok === undefined) return undefined;
  return {
    inputPerMTok,
    outputPerMTok,
    ...(cachedInputPerMTok === undefined ? {} : { cachedInputPerMTok }),
    source: "the price table of @pydantic/genai-prices",
  };
}

type TablePrice = number | { readonly base: number; readonly tiers: readonly { readonly price: number }[] } | undefined;

/** Of a price that rises with the length of the prompt the highest: a budget must hold for all. */
function dearest(price: TablePrice): number | undefined {
  return typeof price === "object" ? Math.max(price.base, ...price.tiers.map((tier) => tier.price)) : price;
}

/** The config with the price of every cloud model that has none of its own and that the table knows. */
export async function withKnownPrices(config: Config): Promise<Config> {
  const models: Record<string, ModelConfig> = Object.assign(Object.create(null), config.models);
  for (const model of Object.values(config.models)) {
    const tier = config.tiers[model.tier];
    if (model.price !== undefined || tier === undefined || tier.location === "local") continue;
    const price = await priceOf(model, tier);
    if (price !== undefined) models[model.alias] = Object.freeze({ ...model, price: Object.freeze(price) });
  }
  return Object.freeze({ ...config, models: Object.freeze(models) });
}
