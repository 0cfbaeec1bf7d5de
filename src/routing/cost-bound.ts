import type { ModelConfig, TierConfig } from "../config/config.ts";
import { providerFacts } from "../config/providers.ts";

/** Why nobody can say what a call can cost at most, or undefined when it can be said. Pure. */
export function unboundedCost(tier: TierConfig, model: ModelConfig): string | undefined {
  if (providerFacts[tier.provider].unboundedCost) {
    return `${model.alias}: what ${tier.provider} spends on a call cannot be bounded`;
  }
  if (model.price === undefined && tier.location !== "local") {
    return `${model.alias}: nobody knows the price of ${model.model}; give it one under models, with inputPerMTok and outputPerMTok`;
  }
  return undefined;
}
