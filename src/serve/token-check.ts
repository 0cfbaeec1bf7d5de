import { createHash } from "node:crypto";
import type { Access, Caller } from "./access.ts";
import { HttpError } from "./http-error.ts";

/** Whose token it is. @throws HttpError (429) when too many wrong ones came from that address. */
export type TokenCheck = (address: string, token: string) => Caller | undefined;

export const mostWrongTokens = 30;
const windowMs = 60_000;
const mostAddresses = 10_000;

/**
 * Nobody can try many tokens: the different wrong ones that come from an address are counted. One that is sent again and
 * again is a program with an old token, whose neighbours must not suffer.
 */
export function createTokenCheck(access: Access, now: () => number = () => performance.now()): TokenCheck {
  const wrong = new Map<string, { readonly hashes: Set<string>; readonly untilMs: number }>();

  function wrongFrom(address: string): { readonly hashes: Set<string>; readonly untilMs: number } {
    const known = wrong.get(address);
    if (known !== undefined && known.untilMs > now()) return known;
    const fresh = { hashes: new Set<string>(), untilMs: now() + windowMs };
    wrong.delete(address);
    wrong.set(address, fresh);
    if (wrong.size > mostAddresses) wrong.delete(wrong.keys().next().value!);
    return fresh;
  }

  return (address, token) => {
    const before = wrong.get(address);
    if (before !== undefined && before.hashes.size >= mostWrongTokens && before.untilMs > now()) {
      const seconds = Math.ceil((before.untilMs - now()) / 1000);
      throw new HttpError(429, `too many wrong tokens from ${address}: try again in ${seconds} s`);
    }
    const caller = access.callerOf(token);
    if (caller === undefined) wrongFrom(address).hashes.add(createHash("sha256").update(token).digest("base64"));
    return caller;
  };
}
