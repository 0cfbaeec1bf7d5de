/**
 * Adds to package-lock.json the optional packages of other platforms that npm left out because the registry it was
 * asked of did not have them: `npm ci` refuses such a lock on every machine. An added entry has a version and the
 * platform it is for, no integrity.
 *
 * `node scripts/complete-lock.ts` mends the file; `--check` only says what is missing and exits 1.
 */
import { readFileSync, writeFileSync } from "node:fs";

interface LockedPackage {
  version?: string;
  cpu?: string[];
  dev?: boolean;
  libc?: string[];
  optional?: boolean;
  os?: string[];
  optionalDependencies?: Record<string, string>;
}

interface Lock {
  packages: Record<string, LockedPackage>;
}

const systems = ["android", "darwin", "freebsd", "linux", "openbsd", "win32"];
const processors = ["arm64", "arm", "ia32", "x64"];

/** The entries that `lock` lacks, by their place in it. */
export function missingOptionalPackages(lock: Lock): Record<string, LockedPackage> {
  const present = new Set(Object.keys(lock.packages).map(nameOfPlace));
  const missing: Record<string, LockedPackage> = {};
  for (const parent of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
      if (!present.has(name)) missing[`node_modules/${name}`] = lockedPackage(name, version, parent.dev === true);
    }
  }
  return missing;
}

function nameOfPlace(place: string): string {
  return place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length);
}

/**
 * Packages for one platform carry it in their name; without it npm would try to install them everywhere. The order of
 * the fields is npm's, so that its next rewrite of the file changes nothing.
 */
function lockedPackage(name: string, version: string, dev: boolean): LockedPackage {
  const words = name.split(/[-/]/);
  const cpu = processors.filter((processor) => words.includes(processor));
  const os = systems.filter((system) => words.includes(system));
  return {
    version,
    ...(cpu.length > 0 ? { cpu } : {}),
    ...(dev ? { dev } : {}),
    ...(words.includes("musl") ? { libc: ["musl"] } : {}),
    optional: true,
    ...(os.length > 0 ? { os } : {}),
  };
}

if (import.meta.main) {
  const lock = JSON.parse(readFileSync("package-lock.json", "utf8")) as Lock;
  const missing = missingOptionalPackages(lock);
  const names = Object.keys(missing).map(nameOfPlace);
  if (names.length > 0 && process.argv.includes("--check")) {
    console.error(`package-lock.json lacks ${names.join(", ")}: npm ci would refuse it. Run: npm run lock`);
    process.exitCode = 1;
  } else if (names.length > 0) {
    const entries = Object.entries({ ...lock.packages, ...missing });
    lock.packages = Object.fromEntries(entries.sort(([one], [other]) => one.localeCompare(other, "en")));
    writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
    console.error(`added to package-lock.json: ${names.join(", ")}`);
  }
}
