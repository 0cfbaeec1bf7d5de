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

/** Why an address to which a host leads is not connected to; undefined when it is. */
export type AddressJudge = (address: string, host: string) => Error | undefined;

/**
 * Connects only to addresses that are judged to be right. Every address that a name resolves to is judged at the very
 * look-up that the socket then uses, so a name that changes between a check and the connection cannot slip through; the
 * address at the other end is judged once more before a byte of a request is written.
 */
export function judgedConnector(
  judge: AddressJudge,
  options: buildConnector.BuildOptions,
  lookup: Lookup = dnsLookup as Lookup,
): buildConnector.connector {
  function judgedLookup(host: string, lookupOptions: LookupOptions, done: LookupDone): void {
    lookup(host, { ...lookupOptions, all: true }, (error, addresses) => {
      if (error) return done(error, undefined);
      for (const { address } of addresses) {
        const refusal = judge(address, host);
        if (refusal !== undefined) return done(refusal, undefined);
      }
      const first = addresses[0];
      if (lookupOptions.all || first === undefined) return done(null, addresses);
      return done(null, first.address, first.family);
    });
  }

  const connect = buildConnector({ ...options, lookup: judgedLookup } as buildConnector.BuildOptions);
  return (target, callback) => {
    const host = target.hostname.replace(/^\[|\]$/g, "");
    // An address is connected to without a look-up.
    const refusal = isIP(host) === 0 ? undefined : judge(host, host);
    if (refusal !== undefined) return callback(refusal, null);
    return connect(target, (...result) => {
      const socket = result[1];
      const lateRefusal = socket ? judge(socket.remoteAddress ?? "an unknown address", host) : undefined;
      if (!socket || lateRefusal === undefined) return callback(...result);
      socket.destroy();
      return callback(lateRefusal, null);
    });
  };
}

/** Connects only to addresses that are local, and to trusted hosts wherever they are. */
export function guardedConnector(
  trustedHosts: readonly string[],
  options: buildConnector.BuildOptions,
  lookup: Lookup = dnsLookup as Lookup,
): buildConnector.connector {
  const isLocal = (address: string): boolean => isPrivateAddress(address) || isTrustedHost(address, trustedHosts);
  const connectTrusted = buildConnector({ ...options, lookup } as buildConnector.BuildOptions);
  const judge: AddressJudge = (address, host) => (isLocal(address) ? undefined : notLocal(host, address));
  const connectLocal = judgedConnector(judge, options, lookup);
  return (target, callback) => {
    const host = target.hostname.replace(/^\[|\]$/g, "");
    return isTrustedHost(host, trustedHosts) ? connectTrusted(target, callback) : connectLocal(target, callback);
  };
}

function notLocal(host: string, address: string): NotLocalError {
  const where = host === address ? address : `${host} (${address})`;
  return new NotLocalError(
    `${where} is not a local address, and only local ones may be asked here; if the machine is yours, add ${host} to policy.trustedHosts`,
  );
}
