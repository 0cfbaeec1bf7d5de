import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";

/** Names a process beyond its pid, which the system hands out again. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** What the system says of its start; only compared for equality. */
  readonly startedAt: string;
}

export function identityOfThisProcess(): ProcessIdentity {
  return { host: hostname(), pid: process.pid, startedAt: startOf(process.pid) ?? "unknown" };
}

/** True when that very process still runs on this host. For another host: true, since nobody here can know. */
export function isRunning(identity: ProcessIdentity): boolean {
  if (identity.host !== hostname()) return true;
  return startOf(identity.pid) === identity.startedAt;
}

function startOf(pid: number): string | undefined {
  try {
    // Field 22 of /proc/PID/stat; the second field may hold blanks and parentheses, so count from its last one.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie has ended; only its parent has not yet asked how.
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    if (process.platform === "linux") return undefined;
  }
  try {
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim() || undefined;
  } catch {
    return undefined;
  }
}
