import type { RequestHandler } from "express";
import helmet from "helmet";

/** What pages of this server may load: only what comes from it. */
export const contentPolicy = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'"],
  imgSrc: ["'self'", "data:"],
  connectSrc: ["'self'"],
  frameAncestors: ["'none'"],
  baseUri: ["'none'"],
  formAction: ["'self'"],
};

const headersWith = (directives: Record<string, string[]>): RequestHandler =>
  helmet({
    contentSecurityPolicy: { useDefaults: false, directives },
    // Whether all of a domain is to be reached by https only is for its proxy to say.
    strictTransportSecurity: false,
    xFrameOptions: { action: "deny" },
  });

/** The headers of every answer; none of them is to be kept, as it may hold private text. */
export function securityHeaders(): RequestHandler {
  const set = headersWith(contentPolicy);
  return (request, response, next) => {
    response.setHeader("Cache-Control", "no-store");
    set(request, response, next);
  };
}

/** Bull Board styles its page in its HTML, and has a <base>; its scripts and styles have names by their content. */
export function boardHeaders(): RequestHandler {
  const set = headersWith({ ...contentPolicy, styleSrc: ["'self'", "'unsafe-inline'"], baseUri: ["'self'"] });
  return (request, response, next) => {
    if (request.path.startsWith("/static/")) response.setHeader("Cache-Control", "private, max-age=86400");
    set(request, response, next);
  };
}
