import { lookup as dnsLookup, type LookupAddress, type LookupOptions } from "node:dns";
import { isIP } from "node:net";
import { buildConnector } from "undici";
import { isPrivateAddress, isTrustedHost } from "../src/config/host-location.ts";

type LookupDone = (
  error: Error | null,
  addresses: string | readonly LookupAddress[] | undefined,
  family?: number,
) => void;
/** Node's `dns.lookup`, or what a test puts in its place. */
export type Lookup = (
  host: string,
  options: LookupOptions & { readonly all: true },
  done: (error: Error | null, addresses: readonly LookupAddress[]) => void,
) => void;

/** A connection that was refused here because it would leave what counts as local. */
export class NotLocalError extends Error {
  override readonly name = "NotLocalError";
}

/**
 * Connects only to addresses that are local. Every address that a name resolves to is judged at the very look-up that
 * the socket then uses, so a name that changes between a check and the connection cannot slip through; the address at
 * the other end is judged once more before a byte of a request is written.
 */
export function guardedConnector(
  trustedHosts: readonly string[],
  options: buildConnector.BuildOptions,
  lookup: Lookup = dnsLookup as Lookup,
): buildConnector.connector {
  const isLocal = (address: string): boolean => isPrivateAddress(address) || isTrustedHost(address, trustedHosts);

  function guardedLookup(host: string, lookupOptions: LookupOptions, done: LookupDone): void {
    lookup(host, { ...lookupOptions, all: true }, (error, addresses) => {
      if (error) return done(error, undefined);
      const foreign = addresses.find(({ address }) => !isLocal(address));
      if (foreign !== undefined) return done(notLocal(host, foreign.address), undefined);
      const first = addresses[0];
      if (lookupOptions.all || first === undefined) return done(null, addresses);
      return done(null, first.address, first.family);
    });
  }

  const connectTrusted = buildConnector({ ...options, lookup } as buildConnector.BuildOptions);
  const connectGuarded = buildConnector({ ...options, lookup: guardedLookup } as buildConnector.BuildOptions);
  return (target, callback) => {
    const host = target.hostname.replace(/^\[|\]$/g, "");
    if (isTrustedHost(host, trustedHosts)) return connectTrusted(target, callback);
    // An address is connected to without a look-up.
    if (isIP(host) !== 0 && !isLocal(host)) return callback(notLocal(host, host), null);
    return connectGuarded(target, (...result) => {
      const socket = result[1];
      if (!socket || isLocal(socket.remoteAddress ?? "")) return callback(...result);
      const refusal = notLocal(host, socket.remoteAddress ?? "an unknown address");
      socket.destroy();
      return callback(refusal, null);
    });
  };
}

function notLocal(host: string, address: string): NotLocalError {
  const where = host === address ? address : `${host} (${address})`;
  return new NotLocalError(
    `${where} is not a local address, and only local ones may be asked here; if the machine is yours, add ${host} to policy.trustedHosts`,
  );
}
