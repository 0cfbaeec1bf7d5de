import { lookup as dnsLookup } from "node:dns/promises";
import { classifyHost, hostOf, isPrivateAddress, isTrustedHost } from "../config/host-location.ts";
import { messageOf } from "../job/errors.ts";
import { describeAddress, type RedisAddress } from "./connection.ts";

type LookupAll = (host: string) => Promise<readonly { readonly address: string }[]>;

/**
 * Payloads go through Redis: why private rows may not go through this one, or undefined when they may.
 * @param lookup the DNS, for tests.
 */
export async function whyNoPrivateRows(
  address: RedisAddress,
  trustedHosts: readonly string[],
  lookup: LookupAll = (host) => dnsLookup(host, { all: true }),
): Promise<string | undefined> {
  if ("socketPath" in address) return undefined;
  const host = hostOf(address.url);
  const refusal = (why: string) =>
    `private, and its Redis (${describeAddress(address)}) ${why}; use one on this machine or in this network, or add ${host} to policy.trustedHosts if the machine is yours`;
  const kind = classifyHost(host, trustedHosts);
  if (kind === "local") return undefined;
  if (kind === "public") return refusal("is not local");
  try {
    const foreign = (await lookup(host)).find((found) => !mayHoldPrivateRows(found.address, trustedHosts));
    return foreign === undefined ? undefined : refusal(`is not local (${foreign.address})`);
  } catch (error) {
    return refusal(`cannot be looked up (${messageOf(error)})`);
  }
}

/** Whether the machine at that address may see private rows. */
export function mayHoldPrivateRows(address: string, trustedHosts: readonly string[]): boolean {
  return isPrivateAddress(address) || isTrustedHost(address, trustedHosts);
}
