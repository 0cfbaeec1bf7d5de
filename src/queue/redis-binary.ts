import { execFileSync } from "node:child_process";
import { UserError } from "../job/errors.ts";

export interface RedisBinary {
  readonly path: string;
}

/**
 * The first of the given programs that is a Redis 7.0 or newer, or a Valkey 7.2 or newer.
 * @param candidates paths, best first.
 * @throws UserError that names what was found and how to get one.
 */
export async function chooseRedisBinary(candidates: readonly string[]): Promise<RedisBinary> {
  const found: string[] = [];
  for (const path of candidates) {
    const version = versionOf(path);
    if (version === undefined) continue;
    if (version.recentEnough) return { path };
    found.push(`${path} is ${version.text}`);
  }
  const what = found.length > 0 ? found.join(", ") : "none on PATH";
  throw new UserError(
    `expected redis-server 7.0 or newer (or valkey-server 7.2 or newer), found ${what}; run scripts/quickstart, which installs one without root, or install it with your package manager, or give a server by --redis URL`,
  );
}

/** Waits, for some milliseconds: the server would else be started only when the program has loaded, not meanwhile. */
function versionOf(path: string): { text: string; recentEnough: boolean } | undefined {
  let output: string;
  try {
    output = execFileSync(path, ["--version"], {
      encoding: "utf8",
      timeout: 10_000,
      stdio: ["ignore", "pipe", "ignore"],
    });
  } catch {
    return undefined;
  }
  const match = /(Redis|Valkey)[^v]*server v=(\d+)\.(\d+)(?:\.\d+)?/i.exec(output);
  if (match === null) return undefined;
  const [, name, major, minor] = match;
  const isValkey = name!.toLowerCase() === "valkey";
  const [neededMajor, neededMinor] = isValkey ? [7, 2] : [7, 0];
  const recentEnough = Number(major) > neededMajor! || (Number(major) === neededMajor && Number(minor) >= neededMinor!);
  return { text: `${isValkey ? "Valkey" : "Redis"} ${major}.${minor}`, recentEnough };
}
