import { existsSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Config } from "../config/config.ts";
import { type FoundKey, findKeys, shownKey } from "../config/keys.ts";
import { loadConfig, packagedConfigPath } from "../config/load.ts";
import { mendServer } from "../config/mend.ts";
import { type ConfigFile, isServerUrl, serverUrlText } from "../config/schema.ts";
import { examine } from "../examine.ts";
import { findServers, usualServers } from "../find-servers.ts";
import { draftConfig, draftServers, draftTasks, type FoundServer, type ModelState } from "../inspect/draft-config.ts";
import { UserError } from "../job/errors.ts";
import { hang, table, widthOf } from "./layout.ts";

export interface InitFlags {
  readonly server: readonly string[];
  readonly force: boolean;
  readonly json: boolean;
}

const fileName = "promptfleet.json";

/** `promptfleet init`: a config from what is found. */
export async function init(flags: InitFlags): Promise<number> {
  const path = resolve(fileName);
  if (existsSync(path) && !flags.force) {
    throw new UserError(
      `${path} is there already; --force overwrites it, promptfleet doctor says what is wrong with it`,
    );
  }
  for (const url of flags.server) {
    if (!isServerUrl(url)) throw new UserError(`--server must be ${serverUrlText}; found "${url}"`);
  }
  const packaged = await loadConfig({ configPath: packagedConfigPath() });
  const servers = await findServers(flags.server.length > 0 ? flags.server : usualServers);
  const keys = await findKeys(new Set(Object.values(packaged.tiers).flatMap(({ apiKeyEnv }) => apiKeyEnv ?? [])));
  const file = await draft(servers, packaged);
  writeFileSync(path, `${JSON.stringify(file, undefined, 2)}\n`);
  const shownKeys = [...keys].map(([name, { value, place }]) => ({ name, shown: shownKey(value), place }));
  const lines = () => linesOf(path, servers, keys, file, packaged);
  process.stdout.write(
    flags.json
      ? `${JSON.stringify({ wrote: path, servers, keys: shownKeys, config: file })}\n`
      : `${lines().join("\n")}\n`,
  );
  return 0;
}

/** The file is judged as it will be read: with the servers in it, before its routes are drafted. */
async function draft(servers: readonly FoundServer[], packaged: Config): Promise<ConfigFile> {
  const serverDraft = draftServers(servers, packaged);
  if (servers.length === 0) return draftConfig(serverDraft, {});
  const config = await loadConfig({ config: draftConfig(serverDraft, {}) });
  const { models, tiers } = await examine(config);
  const stateOf = (alias: string): ModelState => {
    if (models.get(alias)?.usable) return "usable";
    const look = tiers.get(config.models[alias]?.tier ?? "");
    // Without a server there was nothing to ask: its adapter or its key is not there.
    return look?.endpoints.length === 0 ? "skipped" : "down";
  };
  const usable = serverDraft.aliases.filter((alias) => stateOf(alias) === "usable");
  return draftConfig(serverDraft, draftTasks(Object.values(config.tasks), stateOf, usable));
}

function linesOf(
  path: string,
  servers: readonly FoundServer[],
  keys: ReadonlyMap<string, FoundKey>,
  file: ConfigFile,
  packaged: Config,
): string[] {
  const width = widthOf(process.stdout);
  const found = [
    ...servers.map(({ program, baseUrl, models }) => [program, `${baseUrl} · ${modelsText(models)}`]),
    ...[...keys].map(([name, { value, place }]) => [name, `${shownKey(value)} from ${place}`]),
  ];
  const hasModels = servers.some(({ models }) => models.length > 0);
  const next = hasModels || keys.size > 0 ? nextSteps : nothingFound(packaged);
  return [
    ...(found.length > 0 ? ["found", ...table(found, width)] : ["found no model server and no key"]),
    `wrote ${path}`,
    ...table(
      Object.entries(file.tasks ?? {}).map(([name, { primary, fallback = [] }]) => [
        name,
        [primary ?? packaged.tasks[name]?.primary, ...fallback].join(" → "),
      ]),
      width,
    ),
    "next",
    ...next.flatMap((step) => hang("  ", step, width)),
  ];
}

const nextSteps = ["promptfleet doctor", "promptfleet run prompts.jsonl -o answers.jsonl"];

function nothingFound(packaged: Config): string[] {
  const start = mendServer(packaged.tiers.ollama ?? { name: "ollama", provider: "ollama", baseUrls: [] });
  return [
    `${start} (and: ollama pull llama3.2), or put a key into ~/.config/promptfleet/env (template: config/env.template)`,
    "promptfleet init --force",
  ];
}

function modelsText(models: readonly string[]): string {
  return models.length === 0 ? "no models" : models.slice(0, 4).join(", ") + (models.length > 4 ? ", …" : "");
}
