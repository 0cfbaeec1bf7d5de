import type { TierConfig } from "../config/config.ts";
import { providerFacts } from "../config/providers.ts";

/** Ollama runs these ids on its maker's servers, behind the local address. */
const remoteOllamaModel = /[-:]cloud$/i;

/**
 * Whether a tier may be given a row: true, or the reason why a private row must not go there. Asked when the row is
 * routed, and again with the real model id once "auto" has been resolved.
 */
export function mayHold(tier: TierConfig, modelId: string, isPrivate: boolean): true | string {
  if (!isPrivate) return true;
  if (tier.location !== "local") return `private, and tier ${tier.name} is not local`;
  if (providerFacts[tier.provider].neverLocal) return `private, and ${tier.provider} is never local`;
  if (tier.provider === "ollama" && remoteOllamaModel.test(modelId.trim())) {
    return `private, and Ollama runs ${modelId} in its cloud`;
  }
  return true;
}
