import type { Config, Limits, ModelConfig, TierConfig } from "./config.ts";

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

/** Rows of one job are asked one after the other and come back together, so they must be let in at about one time. */
const togetherMs = 500;
/** What a row is taken to be worth at the least. */
const tokensOfRow = 500;

/**
 * How many rows of a tier may share a job, by its limits and those of its models: no more than are let in within half a
 * second. Infinity without limits, 1 while they are not known.
 */
export function rowsTogether({ tiers, models }: Config, tierName: string): number {
  const limits = Object.values(models)
    .filter((model) => model.tier === tierName)
    .map((model) => quotaScopeOf(tiers[tierName], model)?.limits)
    .concat(tiers[tierName]?.limits)
    .filter((one) => one !== undefined);
  if (limits.includes("auto")) return 1;
  const rates = (limits as readonly Limits[]).flatMap(({ rpm, tpm, inputTpm, outputTpm }) =>
    [tpm, inputTpm, outputTpm].map((tokens) => tokens && tokens / tokensOfRow).concat(rpm),
  );
  const rowsPerMinute = Math.min(...rates.filter((rate) => rate !== undefined));
  return Math.max(1, Math.floor((rowsPerMinute * togetherMs) / 60_000));
}
