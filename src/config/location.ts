import { BlockList, isIP } from "node:net";
import type { Provider } from "./config.ts";
import { providerFacts } from "./providers.ts";

// TODO swap for host-location.ts when it is there.
const privateAddresses = new BlockList();
for (const [net, bits] of [
  ["127.0.0.0", 8],
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["169.254.0.0", 16],
] as const) {
  privateAddresses.addSubnet(net, bits, "ipv4");
}
for (const [net, bits] of [
  ["::1", 128],
  ["fc00::", 7],
  ["fe80::", 10],
] as const)
  privateAddresses.addSubnet(net, bits, "ipv6");
const isPrivateAddress = (address: string) => privateAddresses.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");

/** What a URL alone says about where it leads, without asking the DNS. */
type HostKind = "local" | "public" | "name";

/**
 * `local` for a loopback or private address, localhost, or a trusted host; `public` for another address; `name` for
 * what only the DNS can tell.
 */
export function hostKindOf(url: string, trustedHosts: readonly string[]): HostKind {
  const host = new URL(url).hostname
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "")
    .toLowerCase();
  if (trustedHosts.includes(host) || host === "localhost" || host.endsWith(".localhost")) return "local";
  if (isIP(host) === 0) return "name";
  return isPrivateAddress(host) ? "local" : "public";
}

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
  const kinds = tier.baseUrls.map((url) => hostKindOf(url, trustedHosts));
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
