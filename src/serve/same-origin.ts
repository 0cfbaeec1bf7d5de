import type { IncomingHttpHeaders } from "node:http";
import { isLoopbackName } from "./access.ts";

/*
 * What a web page of somebody else may make a browser do here: nothing. A page can send requests that carry no token
 * to a server on this machine, and requests that carry the cookie of a login; it cannot hide where it comes from.
 */

/**
 * Why a request is not served without a token; undefined when it is. The name in `Host` must be this machine's, as a
 * name of somebody else can be made to resolve to it (DNS rebinding), and then its pages share that name's origin.
 */
export function refusalWithoutToken(method: string, headers: IncomingHttpHeaders): string | undefined {
  const { host } = headers;
  if (host === undefined || !isLoopbackName(hostWithoutPort(host))) {
    return `without a token this server answers to localhost and 127.0.0.1 only, and was asked as ${JSON.stringify(host ?? "")}: use one of them, or set PROMPTFLEET_TOKEN`;
  }
  return refusalOfOrigin(method, headers);
}

/** The same for a request that is let in by a browser's cookie. Such a browser says where what changes something is from. */
export function refusalWithCookie(method: string, headers: IncomingHttpHeaders): string | undefined {
  const isSilent = headers["sec-fetch-site"] === undefined && headers.origin === undefined;
  if (isSilent && !isReading(method)) return "a request with a login must say where it comes from (Origin)";
  return refusalOfOrigin(method, headers);
}

/** Programs say nothing of an origin and are served; browsers do, and only pages of this server are. */
function refusalOfOrigin(method: string, headers: IncomingHttpHeaders): string | undefined {
  const { origin, "sec-fetch-site": site } = headers;
  if (site === "same-origin" || site === "none") return undefined;
  if (site !== undefined) {
    return isFollowedLink(method, headers) ? undefined : "a page of another site may not ask this server";
  }
  if (origin === undefined || isOwnOrigin(origin, headers)) return undefined;
  return `a page of ${JSON.stringify(origin)} may not ask this server`;
}

/** Somebody clicked a link to a page: what it shows stays his, as no other page may frame or read it. */
const isFollowedLink = (method: string, headers: IncomingHttpHeaders): boolean =>
  isReading(method) && headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";

/** A proxy may have put its own name into Host; no page can set the header in which it says the first. */
function isOwnOrigin(origin: string, headers: IncomingHttpHeaders): boolean {
  if (!URL.canParse(origin)) return false;
  const { host } = new URL(origin);
  const forwarded = String(headers["x-forwarded-host"] ?? "");
  return host !== "" && [headers.host, forwarded.split(",")[0]!.trim()].includes(host);
}

export const isReading = (method: string): boolean => ["GET", "HEAD", "OPTIONS"].includes(method);

function hostWithoutPort(host: string): string {
  return host.replace(/:\d*$/, "");
}
