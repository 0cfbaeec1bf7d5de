import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
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
  writeFileSync(candidate, JSON.stringify(own), { mode: 0o600 });
  try {
    for (;;) {
      try {
        // link() fails when the name exists and shows the whole content at once, unlike open with O_EXCL and a write.
        linkSync(candidate, path);
        return { held: true, release: () => releaseOwn(path, own) };
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      const holder = readHolder(path);
      if (holder !== undefined && isRunning(holder)) return { held: false, holder };
      setAside(path, `${candidate}.stale`);
    }
  } finally {
    unlinkSync(candidate);
  }
}

/** Removes a dead holder's lock; puts it back when a living process took it between the look and the move. */
function setAside(path: string, aside: string): void {
  try {
    renameSync(path, aside);
    const moved = readHolder(aside);
    if (moved !== undefined && isRunning(moved)) linkSync(aside, path);
  } catch {
    // Somebody else was faster; the next round looks again.
  }
  rmSync(aside, { force: true });
}

function readHolder(path: string): ProcessIdentity | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as ProcessIdentity;
  } catch {
    return undefined;
  }
}

function releaseOwn(path: string, own: ProcessIdentity): void {
  const holder = readHolder(path);
  if (holder?.pid === own.pid && holder.startedAt === own.startedAt) rmSync(path, { force: true });
}
