import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { Config, Role } from "../config/config.ts";
import { roles } from "../config/config.ts";
import type { Environment } from "../config/environment.ts";
import { bareHost } from "../config/host-location.ts";
import { findKeys } from "../config/keys.ts";
import { UserError } from "../job/errors.ts";

/** Who asks, and what he may do. */
export interface Caller {
  readonly name: string;
  readonly role: Role;
}

/** Who may use the server. */
export interface Access {
  /** There is no token: whoever reaches it is its admin, so it may be reached from this machine only. */
  readonly isOpen: boolean;
  /** Whose token this is. */
  callerOf(token: string): Caller | undefined;
}

const adminTokenVariable = "PROMPTFLEET_TOKEN";

export const theOwner: Caller = { name: "owner", role: "admin" };

/** The admin's token from the environment or a key file, and those of the config. */
export async function readAccess(config: Config, environment?: Environment): Promise<Access> {
  const adminToken = (await findKeys([adminTokenVariable], environment)).get(adminTokenVariable)?.value;
  return createAccess(config.serve.tokens, adminToken);
}

export function createAccess(tokens: Config["serve"]["tokens"], adminToken?: string): Access {
  const known = tokens.map((token) => ({ hash: Buffer.from(token.sha256, "hex"), caller: callerWith(token) }));
  if (adminToken !== undefined) known.push({ hash: Buffer.from(hashOf(adminToken)), caller: theOwner });
  return {
    isOpen: known.length === 0,
    callerOf(token) {
      const hash = hashOf(token);
      let caller: Caller | undefined;
      // All are compared, each in the same time, so that how long it takes tells nothing.
      for (const one of known) if (timingSafeEqual(one.hash, hash)) caller = one.caller;
      return caller;
    },
  };
}

const callerWith = ({ name, role }: Caller): Caller => ({ name, role });
const hashOf = (token: string): Buffer => createHash("sha256").update(token).digest();

/** Whether a role includes another. */
export const includes = (role: Role, needed: Role): boolean => roles.indexOf(role) >= roles.indexOf(needed);

/** @throws UserError for an address that others can reach when there is no token. */
export function assertMayListen(host: string, { isOpen }: Access): void {
  if (!isOpen || isLoopbackName(host)) return;
  throw new UserError(
    `--host ${host} can be reached from other machines, and without a token anybody there could spend your money: set ${adminTokenVariable} (in the environment or in ~/.config/promptfleet/env), or listen on 127.0.0.1`,
  );
}

/** A host that is this machine, by its name or address alone. */
export function isLoopbackName(host: string): boolean {
  const bare = bareHost(host);
  if (isIP(bare) === 4) return bare.startsWith("127.");
  return bare === "::1" || bare === "localhost" || bare.endsWith(".localhost");
}
