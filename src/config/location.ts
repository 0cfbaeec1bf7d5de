import type { Provider } from "./config.ts";
import { classifyHost, hostOf } from "./host-location.ts";
import { providerFacts } from "./providers.ts";

/**
 * Where a tier is: what the config declares, else `local` only if every endpoint certainly is (in doubt cloud). A
 * declared `local` that cannot be true is returned as `impossible`, with the reason; a declared name is checked at the
 * socket.
 */
export function locate(
  tier: { provider: Provider; baseUrls: readonly string[]; declared: "local" | "cloud" | undefined },
  trustedHosts: readonly string[],
): { location: "local" | "cloud"; impossible?: string } {
  const { neverLocal, alwaysLocal } = providerFacts[tier.provider];
  const kinds = tier.baseUrls.map((url) => classifyHost(hostOf(url), trustedHosts));
  if (tier.declared === "local" && neverLocal) {
    return { location: "cloud", impossible: `${tier.provider} sends prompts to a provider of its own choosing` };
  }
  if (tier.declared === "local" && kinds.includes("public")) {
    return { location: "cloud", impossible: "its base URL is a public address" };
  }
  if (tier.declared) return { location: tier.declared };
  const certain = alwaysLocal === true || (kinds.length > 0 && kinds.every((kind) => kind === "local"));
  return { location: certain && !neverLocal ? "local" : "cloud" };
}
