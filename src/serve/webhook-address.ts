import { BlockList, isIP } from "node:net";
import { bareHost, isPrivateAddress } from "../config/host-location.ts";

/*
 * Which addresses events may be sent to: whoever orders a batch names a URL, and must not reach by it what only this
 * machine can reach.
 */

/** Where clouds tell a machine its secrets: never, whatever the config says. */
const metadataAddresses = blockList(
  ["169.254.0.0/16", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32"],
  ["fe80::/10", "fd00:ec2::254/128", "fd20:ce::254/128"],
);

/** Not this machine's network, and yet nobody's address on the internet. */
const sharedAddresses = blockList(["100.64.0.0/10"], []);
const reservedAddresses = blockList(
  [
    ...["0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24"],
    ...["203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"],
  ],
  // Teredo, documentation, and 6to4, which holds an IPv4 address.
  ["2001::/32", "2001:db8::/32", "3fff::/20", "2002::/16"],
);
const globalIpv6 = blockList([], ["2000::/3"]);

/** Why nothing is sent to this address; undefined when it may be. */
export function refusalOfAddress(address: string, allowPrivate: boolean): string | undefined {
  const bare = address.replace(/%.*$/, "");
  if (isIP(bare) === 0) return `${JSON.stringify(address)} is no address`;
  if (includes(metadataAddresses, bare)) return `${bare} may be a metadata address, which is never asked`;
  if (isPrivateAddress(bare) || includes(sharedAddresses, bare)) {
    return allowPrivate ? undefined : `${bare} is a private address; serve.webhook.allowPrivate allows those`;
  }
  const isIpv4 = isIP(bare) === 4 || /^::ffff:/i.test(bare);
  if (includes(reservedAddresses, bare) || (!isIpv4 && !includes(globalIpv6, bare)))
    return `${bare} is a reserved address`;
  return undefined;
}

/** The same of what a URL says by itself; where a name leads is judged when it is connected to. */
export function refusalOfWebhookUrl(url: string, allowPrivate: boolean): string | undefined {
  const host = bareHost(new URL(url).hostname);
  if (isIP(host) !== 0) return refusalOfAddress(host, allowPrivate);
  const isLoopback = host === "localhost" || host.endsWith(".localhost");
  return isLoopback ? refusalOfAddress("127.0.0.1", allowPrivate) : undefined;
}

function blockList(ipv4: readonly string[], ipv6: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ipv4) list.addSubnet(...networkOf(range), "ipv4");
  for (const range of ipv6) list.addSubnet(...networkOf(range), "ipv6");
  return list;
}

function networkOf(range: string): [network: string, bits: number] {
  const [network, bits] = range.split("/");
  return [network!, Number(bits)];
}

const includes = (list: BlockList, address: string): boolean =>
  list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
