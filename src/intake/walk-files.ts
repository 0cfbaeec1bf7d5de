import { closeSync, openSync, readdirSync, readSync, type Stats, statSync } from "node:fs";
import { join, matchesGlob } from "node:path";
import { explainReadError } from "./explain-error.ts";

/** A file that is to become a row. */
export interface FoundFile {
  /** The source's path with the file's below it, so that it can be opened from the current folder. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export interface WalkOptions {
  /** The folder or glob as the user gave it. */
  readonly source: string;
  /** Paths that are no input, such as the output of this very run. */
  readonly isLeftOut: (path: string) => boolean;
  /** Told of every file that is left out because it is not text. */
  readonly onBinary: () => void;
}

const sniffedBytes = 8 * 1024;

export const isGlob = (source: string): boolean => /[*?{[]|[!@+]\(/.test(source);

/**
 * All files under a folder, or all that match a glob, sorted by their paths. Left out: `.git`, `node_modules`, hidden
 * files and folders (unless the glob names them), what is no file, and binary files (a NUL in the first 8 KB). A symbolic
 * link to a file is followed, one to a folder is not, so that the walk ends.
 * @throws UserError for a folder that cannot be listed.
 */
export function* walkFiles(options: WalkOptions): Generator<FoundFile> {
  const glob = isFolder(options.source) ? undefined : splitGlob(options.source);
  if (glob !== undefined && !isFolder(glob.folder)) return;
  yield* walkFolder(glob?.folder ?? options.source, "", 1, { ...options, glob, scratch: Buffer.alloc(sniffedBytes) });
}

interface Glob {
  /** The part before the first segment with a wildcard. */
  readonly folder: string;
  readonly pattern: string;
  readonly segments: readonly string[];
  readonly mostDepth: number;
}

interface Walk extends WalkOptions {
  readonly glob: Glob | undefined;
  readonly scratch: Buffer;
}

function splitGlob(source: string): Glob {
  const all = source.split("/");
  const first = all.findIndex(isGlob);
  const segments = all.slice(first).filter((segment) => segment !== "" && segment !== ".");
  const folder = all.slice(0, first).join("/");
  return {
    folder: first > 0 && folder === "" ? "/" : folder || ".",
    pattern: segments.join("/"),
    segments,
    // Braces may hold slashes.
    mostDepth: /\*\*|[{(]/.test(source) ? Number.POSITIVE_INFINITY : segments.length,
  };
}

function* walkFolder(root: string, below: string, depth: number, walk: Walk): Generator<FoundFile> {
  const folder = join(root, below);
  for (const { name, isFolder: folderInside } of entriesOf(folder)) {
    const inside = below === "" ? name : `${below}/${name}`;
    const path = join(root, inside);
    if (isHidden(name, walk.glob) || walk.isLeftOut(path)) continue;
    if (folderInside) {
      if (depth < (walk.glob?.mostDepth ?? Number.POSITIVE_INFINITY)) yield* walkFolder(root, inside, depth + 1, walk);
      continue;
    }
    if (walk.glob !== undefined && !matchesGlob(inside, walk.glob.pattern)) continue;
    const found = statOf(path);
    if (found === undefined || !found.isFile()) continue;
    if (isBinary(path, walk.scratch)) walk.onBinary();
    else yield { path, sizeBytes: found.size, modifiedMs: Math.floor(found.mtimeMs) };
  }
}

/** Sorted so that the walk as a whole is in the order of the paths: a folder counts as its name and a slash. */
function entriesOf(folder: string): { readonly name: string; readonly isFolder: boolean }[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }))
      .map((entry) => ({ ...entry, key: entry.isFolder ? `${entry.name}/` : entry.name }))
      .sort((one, other) => (one.key < other.key ? -1 : 1));
  } catch (error) {
    throw explainReadError(error, folder);
  }
}

function isHidden(name: string, glob: Glob | undefined): boolean {
  const isNamed = glob?.segments.includes(name) ?? false;
  if (name === "node_modules" || name === ".git") return !isNamed;
  return name.startsWith(".") && !isNamed && !(glob?.segments.some((segment) => segment.startsWith(".")) ?? false);
}

/** Undefined for what is not there, a link that points nowhere or round in a circle. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ELOOP") return undefined;
    throw explainReadError(error, path);
  }
}

function isFolder(path: string): boolean {
  return statOf(path)?.isDirectory() ?? false;
}

/** A file that cannot be opened counts as text: its row then fails and says why. */
function isBinary(path: string, scratch: Buffer): boolean {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return false;
  }
  try {
    return scratch.subarray(0, readSync(file, scratch, 0, sniffedBytes, 0)).includes(0);
  } catch {
    return false;
  } finally {
    closeSync(file);
  }
}
