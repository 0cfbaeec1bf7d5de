import { existsSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { type Environment, homeFolder, readVariable } from "./environment.ts";
import { packageRoot } from "./package-root.ts";

/** Short names of models that the set-up brings along, with the names of their files. */
const knownFiles: Readonly<Record<string, string>> = {
  "smollm2-135m": "SmolLM2-135M-Instruct.Q4_1.gguf",
};

/** Short names that need no path. */
export const knownModelNames: readonly string[] = Object.keys(knownFiles);

export type ModelFile = { readonly path: string } | { readonly lookedAt: readonly string[] };

/**
 * The file of an embedded model: a path to a `.gguf` (relative to the working directory), or a short name, looked for in
 * `PROMPTFLEET_MODELS_DIR`, the package's `.tools/models` and `~/.cache/promptfleet/models`, in this order.
 */
export function findModelFile(model: string, environment: Environment = process.env): ModelFile {
  const file = knownFiles[model];
  const candidates =
    file === undefined ? [resolve(model)] : modelFolders(environment).map((folder) => join(folder, file));
  const found = candidates.find((candidate) => existsSync(candidate));
  return found === undefined ? { lookedAt: candidates } : { path: found };
}

function modelFolders(environment: Environment): string[] {
  const chosen = readVariable("PROMPTFLEET_MODELS_DIR", environment);
  const ownCache = join(homeFolder(environment), ".cache", "promptfleet", "models");
  const folders = [join(packageRoot(), ".tools", "models"), ...(isAbsolute(ownCache) ? [ownCache] : [])];
  return chosen === undefined ? folders : [resolve(chosen), ...folders];
}

/** Where the set-up puts the engine of embedded models, which is no dependency of the package. */
export function embeddedEngineFile(): string {
  return join(packageRoot(), ".tools", "node_modules", "node-llama-cpp", "dist", "index.js");
}
