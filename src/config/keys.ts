import { open } from "node:fs/promises";
import { join } from "node:path";
import { messageOf, UserError } from "../job/errors.ts";
import { type Environment, homeFolder, readVariable } from "./environment.ts";

/** Where keys are looked for after the environment, in this order, below the home folder. */
export const keyFiles = [".config/promptfleet/env", ".config/claude-code/env"] as const;

/** The places of a key, for messages. */
export const keyPlaces = `environment, ${keyFiles.map((file) => `~/${file}`).join(", ")}`;

export interface FoundKey {
  readonly value: string;
  /** `environment`, or the path of the file. */
  readonly place: string;
}

/**
 * The given variables as found in the environment, else in the first key file that has them; an empty value counts as
 * none. The files are read only when the environment leaves something open.
 * @throws UserError when such a file can be read by others than its owner, or not by us.
 */
export async function findKeys(
  names: Iterable<string>,
  environment: Environment = process.env,
): Promise<Map<string, FoundKey>> {
  const keys = new Map<string, FoundKey>();
  const missing = new Set<string>();
  for (const name of names) {
    const value = readVariable(name, environment)?.trim();
    if (value) keys.set(name, { value, place: "environment" });
    else missing.add(name);
  }
  for (const file of keyFiles) {
    if (missing.size === 0) break;
    const path = join(homeFolder(environment), file);
    const found = parseKeyFile(await readPrivateFile(path));
    for (const name of [...missing]) {
      const value = found.get(name);
      if (value === undefined) continue;
      keys.set(name, { value, place: path });
      missing.delete(name);
    }
  }
  return keys;
}

/** The values alone. */
export async function loadKeys(names: Iterable<string>, environment: Environment): Promise<Map<string, string>> {
  const found = await findKeys(names, environment);
  return new Map([...found].map(([name, { value }]) => [name, value]));
}

/** How a key is shown, and no other way: its usual prefix and its last four characters, or less of a short one. */
export function shownKey(key: string): string {
  const prefix = /^sk-/.test(key) ? "sk-" : "";
  return key.length >= 16 ? `${prefix}…${key.slice(-4)}` : `${prefix}…`;
}

/** The text of a file that only its owner can read; "" when there is none. */
async function readPrivateFile(path: string): Promise<string> {
  let file: Awaited<ReturnType<typeof open>> | undefined;
  try {
    file = await open(path, "r");
    // Asked of the open file, not of the path, so that the file looked at is the file read.
    const { mode } = await file.stat();
    if ((mode & 0o077) !== 0) {
      const found = (mode & 0o777).toString(8);
      throw new UserError(
        `the key file ${path} must be readable by its owner only (mode 600), but its mode is ${found}: chmod 600 '${path}'`,
      );
    }
    return await file.readFile("utf8");
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return "";
    throw new UserError(`cannot read the key file ${path}: ${messageOf(error)}. Mend or remove it.`);
  } finally {
    await file?.close();
  }
}

/** KEY=VALUE lines, with `export`, quotes and comments as a shell has them; other lines and empty values are skipped. */
export function parseKeyFile(text: string): Map<string, string> {
  const keys = new Map<string, string>();
  for (const line of text.replace(/^\uFEFF/, "").split(/\r?\n/)) {
    const match =
      /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s#'"][^\s]*))?\s*(?:#.*)?$/.exec(
        line,
      );
    const value = match?.[2] ?? match?.[3] ?? match?.[4];
    if (match?.[1] && value) keys.set(match[1], value);
  }
  return keys;
}
