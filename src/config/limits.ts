import type { Limits, ModelConfig, TierConfig } from "./config.ts";

/** What shares one quota, and the name under which the fleet keeps it. */
export interface QuotaScope {
  readonly name: string;
  readonly limits: Limits | "auto";
}

/**
 * A model's own limits go before its tier's, as providers limit by model; those of a tier are shared by all its models
 * that have none. What is learned from a provider's headers is of the model that was asked. Undefined: no limits.
 */
export function quotaScopeOf(tier: TierConfig | undefined, model: ModelConfig): QuotaScope | undefined {
  const ofModel = `${model.tier}/${model.model}`;
  if (isLimited(model.limits)) return { name: ofModel, limits: model.limits };
  if (tier?.limits === "auto") return { name: ofModel, limits: "auto" };
  return isLimited(tier?.limits) ? { name: tier!.name, limits: tier!.limits! } : undefined;
}

function isLimited(limits: Limits | "auto" | undefined): limits is Limits {
  return typeof limits === "object" && Object.keys(limits).length > 0;
}
