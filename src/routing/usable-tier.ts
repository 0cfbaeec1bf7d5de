import type { Config, Provider } from "../config/config.ts";
import { keyPlaces } from "../config/keys.ts";

export type TierUsability = { readonly usable: true } | { readonly usable: false; readonly reason: string };

/**
 * Tells of each tier whether rows can be sent to it at all: it has an adapter, and its key if it names one. Whether its
 * server is up is no matter here: such a tier is waited for.
 */
export function tierUsability(
  config: Config,
  hasAdapter: (provider: Provider) => boolean,
): (tierName: string) => TierUsability {
  return (tierName) => {
    const tier = config.tiers[tierName];
    if (!tier) return { usable: false, reason: `there is no tier ${tierName}` };
    if (!hasAdapter(tier.provider)) {
      return { usable: false, reason: `no adapter for provider ${tier.provider} in this version` };
    }
    if (tier.apiKeyEnv !== undefined && config.keyOf(tierName) === undefined) {
      return { usable: false, reason: `${tier.apiKeyEnv} is not set (${keyPlaces})` };
    }
    return { usable: true };
  };
}

/** Whether rows of some task have another model after one of this tier's. */
export function hasFallback({ tasks, models }: Config, tierName: string): boolean {
  return Object.values(tasks).some(({ primary, fallback, prefer }) => {
    const last = prefer === "listed" ? fallback.length : fallback.length + 1;
    return (
      [primary, ...fallback].slice(0, last).some((alias) => models[alias]?.tier === tierName) && fallback.length > 0
    );
  });
}
