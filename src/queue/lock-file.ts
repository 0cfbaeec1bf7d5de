import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { identityOfThisProcess, isRunning, type ProcessIdentity } from "./process-identity.ts";

export type LockAttempt =
  | { readonly held: true; readonly release: () => void }
  | { readonly held: false; readonly holder: ProcessIdentity };

/**
 * Takes a lock file that names its holder. The lock of a process that has died on this host is broken at once (a run
 * is started again right after a SIGKILL); a living holder, or one on another host, keeps it.
 */
export function takeLock(path: string): LockAttempt {
  const own = identityOfThisProcess();
  const candidate = `${path}.${own.pid}.${Math.random().toString(36).slice(2)}`;
  try {
    writeFileSync(candidate, JSON.stringify(own), { mode: 0o600 });
    for (;;) {
      try {
        // link() fails when the name exists and shows the whole content at once, unlike open with O_EXCL and a write.
        linkSync(candidate, path);
        return { held: true, release: () => releaseOwn(path, own) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const holder = readHolder(path);
      if (holder === "gone") continue;
      if (holder !== "unreadable" && isRunning(holder)) return { held: false, holder };
      const breaker = breakLock(path, holder);
      if (breaker !== undefined) return { held: false, holder: breaker };
    }
  } finally {
    rmSync(candidate, { force: true });
  }
}

/**
 * Removes a dead holder's lock. Several may come at once, and a late one must not remove what the first has taken by
 * then: so only who holds the lock on breaking this very holder's lock may remove it, and looks again before it does.
 * @returns the living process that is breaking it right now, if that is another.
 */
function breakLock(path: string, dead: Holder): ProcessIdentity | undefined {
  const claim = takeLock(`${path}.${nameOf(dead)}`);
  if (!claim.held) return claim.holder;
  try {
    if (nameOf(readHolder(path)) === nameOf(dead)) rmSync(path, { force: true });
  } finally {
    claim.release();
  }
  return undefined;
}

type Holder = ProcessIdentity | "unreadable" | "gone";

const nameOf = (holder: Holder): string =>
  typeof holder === "string" ? holder : `${holder.pid}-${encodeURIComponent(holder.startedAt)}`;

function readHolder(path: string): Holder {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as ProcessIdentity;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "gone" : "unreadable";
  }
}

function releaseOwn(path: string, own: ProcessIdentity): void {
  const holder = readHolder(path);
  if (nameOf(holder) === nameOf(own)) rmSync(path, { force: true });
}
