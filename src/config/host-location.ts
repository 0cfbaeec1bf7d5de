import { BlockList, isIP } from "node:net";

/*
 * Which addresses count as local. Left out on purpose, so that doubt means "not local": shared address space
 * (100.64.0.0/10, of carriers and of some VPNs), NAT64, the old site-local fec0::/10. Who means them names the host in
 * `policy.trustedHosts`.
 */
const privateAddresses = new BlockList();
for (const [network, bits] of [
  ["127.0.0.0", 8],
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
  ["169.254.0.0", 16],
  // Connecting to "any address" connects to this machine.
  ["0.0.0.0", 32],
] as const) {
  privateAddresses.addSubnet(network, bits, "ipv4");
}
for (const [network, bits] of [
  ["::1", 128],
  ["::", 128],
  ["fc00::", 7],
  ["fe80::", 10],
] as const) {
  privateAddresses.addSubnet(network, bits, "ipv6");
}

/** True for a loopback, private, link-local or unique-local address; false for every other text. */
export function isPrivateAddress(address: string): boolean {
  const bare = address.replace(/%.*$/, "");
  const version = isIP(bare);
  // An IPv4 address in IPv6 clothes (::ffff:10.0.0.1) is judged by the IPv4 rules: BlockList does so by itself.
  return version !== 0 && privateAddresses.check(bare, version === 6 ? "ipv6" : "ipv4");
}

/** The host of a URL without brackets, closing dot or capitals: as addresses and `trustedHosts` are compared. */
export function hostOf(url: string | URL): string {
  return bareHost(new URL(url).hostname);
}

/** The same of a host alone. */
export function bareHost(host: string): string {
  return host
    .replace(/^\[|\]$/g, "")
    .replace(/\.$/, "")
    .toLowerCase();
}

/** What a host alone says about where it is, without asking the DNS. */
export type HostKind = "local" | "public" | "name";

/**
 * `local` for a private address, localhost or a trusted host, `public` for another address, `name` for what only the
 * DNS can tell.
 */
export function classifyHost(host: string, trustedHosts: readonly string[]): HostKind {
  const bare = bareHost(host);
  if (isTrustedHost(bare, trustedHosts) || bare === "localhost" || bare.endsWith(".localhost")) return "local";
  if (isIP(bare) === 0) return "name";
  return isPrivateAddress(bare) ? "local" : "public";
}

/** True when the config says that this host is local whatever its address is. */
export function isTrustedHost(host: string, trustedHosts: readonly string[]): boolean {
  const bare = bareHost(host);
  return trustedHosts.some((trusted) => bareHost(trusted) === bare);
}
