import { BlockList, isIP } from "node:net";
import { UserError } from "../job/errors.ts";
import { type Environment, readVariable } from "./environment.ts";
import { bareHost } from "./host-location.ts";

/**
 * The proxy through which a cloud's URL is reached: `https_proxy` or `http_proxy` by its scheme, in small letters or
 * capitals, unless `no_proxy` names its host. What listens on this machine is reached directly, as a proxy would look
 * for it on its own.
 * @throws UserError for a variable that holds no proxy.
 */
export function proxyFor(url: URL, environment: Environment = process.env): URL | undefined {
  const name = url.protocol === "https:" ? "https_proxy" : "http_proxy";
  const value = readEither(name, environment);
  if (value === undefined || isExempt(url, `localhost,127.0.0.0/8,::1,${readEither("no_proxy", environment) ?? ""}`)) {
    return undefined;
  }
  const text = value.includes("://") ? value : `http://${value}`;
  // It may hold a password, so its value is not repeated.
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new UserError(
      `${name.toUpperCase()} must be the URL of an HTTP proxy, such as http://proxy.example.com:3128; mend it, or add ${url.hostname} to NO_PROXY`,
    );
  }
  return new URL(text);
}

function readEither(name: string, environment: Environment): string | undefined {
  return readVariable(name, environment) ?? readVariable(name.toUpperCase(), environment);
}

/** Entries are `*`, a host with all below it (a leading dot or `*.` changes nothing), an address or a range of them, each with a port or without. */
function isExempt(url: URL, noProxy: string): boolean {
  const host = bareHost(url.hostname);
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return noProxy.split(/[\s,]+/).some((entry) => {
    if (entry === "" || entry === "*") return entry === "*";
    const [, bracketed, plain, wantedPort] = /^(?:(\[[^\]]+\])|([^:]*))(?::(\d+))?$/.exec(entry) ?? [];
    if (wantedPort !== undefined && wantedPort !== port) return false;
    const wanted = bareHost(bracketed ?? plain ?? entry).replace(/^\*?\./, "");
    return isIP(host) === 0 ? host === wanted || host.endsWith(`.${wanted}`) : isInRange(host, wanted);
  });
}

function isInRange(address: string, range: string): boolean {
  const family = isIP(address) === 6 ? "ipv6" : "ipv4";
  const [network = "", bits] = range.split("/");
  const longest = family === "ipv6" ? 128 : 32;
  const prefix = bits === undefined ? longest : Number(bits);
  if (isIP(network) !== isIP(address) || !(prefix >= 0 && prefix <= longest)) return false;
  const list = new BlockList();
  list.addSubnet(network, prefix, family);
  return list.check(address, family);
}
