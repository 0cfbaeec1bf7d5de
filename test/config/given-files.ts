import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import type { Config } from "../../src/config/config.ts";
import { type LoadOptions, loadConfig } from "../../src/config/load.ts";

/** A folder with these files (objects are written as JSON), removed after the test. */
export function givenFiles(files: Readonly<Record<string, unknown>> = {}, mode = 0o600): string {
  const folder = mkdtempSync(join(tmpdir(), "promptfleet-config-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content, null, 1), { mode });
  }
  return folder;
}

/** Loads in a folder of its own, with no variables and no key files but those given. */
export function loadIn(folder: string, options: LoadOptions = {}): Promise<Config> {
  return loadConfig({ cwd: folder, ...options, environment: { HOME: folder, ...options.environment } });
}

/** Loads a promptfleet.json of this content. */
export function loadFile(content: unknown, options: LoadOptions = {}): Promise<Config> {
  return loadIn(givenFiles({ "promptfleet.json": content }), options);
}

/** The message with which loading fails; fails the test when it does not, or not with a UserError. */
export async function refusalOf(loading: Promise<unknown>): Promise<string> {
  const error = await loading.then(
    () => new Error("nothing was refused"),
    (reason: Error) => reason,
  );
  if (error.name !== "UserError") throw error;
  return error.message;
}

/** The smallest config that is whole. */
export const smallConfig = {
  tiers: { lab: { provider: "ollama" } },
  models: { small: { tier: "lab", model: "llama3.2" } },
  tasks: { simple: { primary: "small" } },
};
