import type { Config, TierConfig } from "../config/config.ts";
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

/**
 * The gate as requests of rows pass it right before they leave, when a payload has been in other hands.
 * @param noPrivateRows why this process may send no private row at all, if so.
 */
export function createPrivacyGate({ tasks }: Config, noPrivateRows: string | undefined) {
  return {
    /** Tasks that are private here, whatever a payload says. */
    privateTasks: new Set(Object.keys(tasks).filter((task) => tasks[task]?.private)),
    mayHold: (tier: TierConfig, modelId: string, isPrivate: boolean): true | string =>
      (isPrivate && noPrivateRows) || mayHold(tier, modelId, isPrivate),
  };
}
