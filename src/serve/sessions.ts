import { randomBytes } from "node:crypto";
import type { Caller } from "./access.ts";

/** Logins of browsers: a random id in a cookie for who gave his token. In memory: a restart asks for it again. */
export interface Sessions {
  open(caller: Caller): string;
  /** Whose it is; each use makes it last longer. */
  callerOf(id: string): Caller | undefined;
  close(id: string): void;
}

/** A login ends when it has not been used for this long, */
export const idleMs = 12 * 3_600_000;
/** and at last after this. */
const longestMs = 7 * 86_400_000;
const mostSessions = 10_000;

export function createSessions(now: () => number = () => performance.now()): Sessions {
  const sessions = new Map<string, { readonly caller: Caller; readonly openedMs: number; usedMs: number }>();
  return {
    open(caller) {
      if (sessions.size >= mostSessions) sessions.delete(sessions.keys().next().value!);
      const id = randomBytes(32).toString("base64url");
      sessions.set(id, { caller, openedMs: now(), usedMs: now() });
      return id;
    },
    callerOf(id) {
      const session = sessions.get(id);
      if (session === undefined) return undefined;
      if (now() - session.usedMs > idleMs || now() - session.openedMs > longestMs) {
        sessions.delete(id);
        return undefined;
      }
      session.usedMs = now();
      return session.caller;
    },
    close: (id) => void sessions.delete(id),
  };
}
