import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { UserError } from "../job/errors.ts";
import { type ModelFlags, withModelFlags } from "./ad-hoc.ts";
import { buildConfig } from "./build.ts";
import { checkConfig } from "./check.ts";
import type { Config } from "./config.ts";
import { configPathVariable, type Environment, fleetVariable } from "./environment.ts";
import { loadKeys } from "./keys.ts";
import { extendConfig } from "./merge.ts";
import { suggestName } from "./nearest.ts";
import { packageRoot } from "./package-root.ts";
import { withKnownPrices } from "./price.ts";
import { type ConfigPath, type Problem, problemError, problemsOf } from "./problems.ts";
import { providerFacts } from "./providers.ts";
import { assertParsed, type ParsedFile, parseConfigText, readConfigFile } from "./read-file.ts";
import { type ConfigFile, configFileSchema, fleetNamePattern, fleetNameText } from "./schema.ts";

export interface LoadOptions extends ModelFlags {
  /** `--config`. */
  readonly configPath?: string | undefined;
  /** A config given as a value instead of a file (the library); may say `"extends": "default"`. */
  readonly config?: ConfigFile | undefined;
  /** Where `./promptfleet.json` and a relative `configPath` are looked for. Default: the process's. */
  readonly cwd?: string | undefined;
  /** Default: the process's. */
  readonly environment?: Environment | undefined;
  /** `--fleet`. */
  readonly fleet?: string | undefined;
  /** `--concurrency TIER=N`: calls at once per endpoint. */
  readonly concurrency?: Readonly<Record<string, number>> | undefined;
  /** Told of a key file that may not be read, which then counts as empty (`doctor`). Default: it is refused. */
  readonly onKeyFileTrouble?: ((trouble: UserError) => void) | undefined;
}

const packaged = "packaged";

/** The path of the config that comes with the package. */
export function packagedConfigPath(): string {
  return join(packageRoot(), "config", "models.json");
}

/**
 * The frozen configuration: flags over environment over file over defaults.
 * @throws UserError that lists all problems of the file with their places, or names the wrong flag or key file.
 */
export async function loadConfig(options: LoadOptions = {}): Promise<Config> {
  const environment = options.environment ?? process.env;
  const source = await chooseSource(options, environment);
  assertParsed(source);
  const written = readShape(source.value);
  let file = written.file;
  if (file.extends === "default") {
    const base = await readConfigFile(packagedConfigPath(), packaged);
    file = extendConfig(readShape(base.value).file, file);
  }
  // What has the wrong shape was left out above: what is missing or wrong below it now is no second problem.
  const isBelow = (path: ConfigPath) =>
    written.problems.some((wrong) => wrong.path.every((part, at) => part === path[at]));
  const problems = [...written.problems, ...checkConfig(file).filter(({ path }) => !isBelow(path))];
  if (problems.length > 0) throw problemError(source, problems);

  file = withConcurrency(withModelFlags(file, options), options.concurrency ?? {});
  const keyNames = Object.values(file.tiers ?? {}).flatMap(
    (tier) => tier.apiKeyEnv ?? providerFacts[tier.provider ?? "ollama"].defaultApiKeyEnv ?? [],
  );
  const config = buildConfig(file, {
    fleet: checkFleet(options.fleet ?? fleetVariable(environment) ?? file.fleet ?? "promptfleet"),
    source: source.path === packagedConfigPath() ? packaged : source.path,
    keys: await loadKeys(new Set(keyNames), environment).catch((error: unknown) => {
      if (options.onKeyFileTrouble === undefined || !(error instanceof UserError)) throw error;
      options.onKeyFileTrouble(error);
      return new Map<string, string>();
    }),
    rereadKey: async (name) => (await loadKeys([name], environment)).get(name),
  });
  return withKnownPrices(config);
}

async function chooseSource(options: LoadOptions, environment: Environment): Promise<ParsedFile> {
  const cwd = options.cwd ?? process.cwd();
  if (options.config) return { ...parseConfigText("given to createFleet", "{}"), value: options.config };
  if (options.configPath !== undefined) return readConfigFile(resolve(cwd, options.configPath), "--config");
  const variable = configPathVariable(environment);
  if (variable !== undefined) return readConfigFile(resolve(cwd, variable), "PROMPTFLEET_CONFIG");
  const own = resolve(cwd, "promptfleet.json");
  if (existsSync(own)) return readConfigFile(own, "found in this folder");
  const shared = resolve(cwd, "config", "models.json");
  if (existsSync(shared)) {
    // Other programs have a config/models.json too.
    const found = await readConfigFile(shared, "found in this folder");
    if (isOurs(found.value)) return found;
  }
  return readConfigFile(packagedConfigPath(), packaged);
}

function isOurs(value: unknown): boolean {
  return typeof value === "object" && value !== null && "tiers" in value && "tasks" in value;
}

/** What of the file has the right shape, and the problems of the rest. */
function readShape(value: unknown): { file: ConfigFile; problems: Problem[] } {
  const parsed = configFileSchema.safeParse(value);
  if (parsed.success) return { file: parsed.data, problems: [] };
  const problems = problemsOf(parsed.error.issues, value);
  const sound = structuredClone(value);
  for (const { path } of problems) leaveOut(sound, path);
  return { file: (typeof sound === "object" && !Array.isArray(sound) ? sound : {}) as ConfigFile, problems };
}

/** Removes what is wrong; an entry of tiers, models or tasks stays by its name, because others refer to it. */
function leaveOut(root: unknown, path: ConfigPath): void {
  const inList = path.findIndex((part) => typeof part === "number");
  const plain = inList < 0 ? path : path.slice(0, inList);
  const last = plain.at(-1);
  const parent = plain.slice(0, -1).reduce<unknown>((at, part) => (at as Record<string, unknown>)?.[part], root);
  if (last === undefined || typeof parent !== "object" || parent === null) return;
  const isEntry = plain.length === 2 && ["tiers", "models", "tasks"].includes(String(plain[0]));
  if (isEntry) (parent as Record<string, unknown>)[last] = {};
  else delete (parent as Record<string, unknown>)[last];
}

function withConcurrency(file: ConfigFile, concurrency: Readonly<Record<string, number>>): ConfigFile {
  const tiers = { ...file.tiers };
  for (const [name, calls] of Object.entries(concurrency)) {
    const tier = Object.hasOwn(tiers, name) ? tiers[name] : undefined;
    if (!tier)
      throw new UserError(
        `--concurrency ${name}=${calls}: no tier "${name}": ${suggestName(name, Object.keys(tiers))}`,
      );
    if (!Number.isInteger(calls) || calls < 1 || calls > 100_000) {
      throw new UserError(`--concurrency ${name}=${calls}: expected a whole number of calls at once, from 1 to 100000`);
    }
    tiers[name] = { ...tier, concurrency: calls };
  }
  return { ...file, tiers };
}

function checkFleet(fleet: string): string {
  if (fleetNamePattern.test(fleet)) return fleet;
  throw new UserError(
    `the fleet name must be ${fleetNameText}; found "${fleet}" (--fleet, PROMPTFLEET_FLEET or "fleet")`,
  );
}
