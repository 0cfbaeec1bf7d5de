import { UserError } from "../job/errors.ts";
import { buildModel } from "./build.ts";
import { type Config, type ModelConfig, type Provider, providers } from "./config.ts";
import { suggestName } from "./nearest.ts";
import { providerFacts } from "./providers.ts";
import { type ConfigFile, isServerUrl, serverUrlText, type TierFile } from "./schema.ts";

/** `--model`, `--force-model` and `--base-url` as given. */
export interface ModelFlags {
  /** An alias, `TIER/ID`, or a provider's model id; with `baseUrl` the id alone, "auto" when left out. */
  readonly model?: string | undefined;
  /** More models of any flag. */
  readonly named?: readonly { readonly flag: string; readonly name: string }[] | undefined;
  readonly forceModel?: string | undefined;
  readonly baseUrl?: string | undefined;
}

/** The tier that `--base-url` makes is named after host and port: `127.0.0.1-8000`. */
function tierNameOf(baseUrl: string): string {
  const url = new URL(baseUrl);
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return `${url.hostname}-${port}`
    .toLowerCase()
    .replace(/[[\]]/g, "")
    .replace(/[^a-z0-9_.-]+/g, "-")
    .replace(/^-+/, "");
}

/**
 * The models that these flags mean, by names that `findModel` understands: what the router takes as its defaults. With
 * a base URL they are models of the tier that it makes.
 */
export function modelsOfFlags(flags: ModelFlags): { model: string | undefined; forceModel: string | undefined } {
  const { baseUrl, model, forceModel } = flags;
  if (baseUrl === undefined) return { model, forceModel };
  if (!isServerUrl(baseUrl)) {
    throw new UserError(`--base-url must be ${serverUrlText}; for example --base-url http://127.0.0.1:8000/v1`);
  }
  const tier = tierNameOf(baseUrl);
  const onTier = (id: string) => (id.startsWith(`${tier}/`) ? id : `${tier}/${id}`);
  return { model: onTier(model ?? forceModel ?? "auto"), forceModel: forceModel && onTier(forceModel) };
}

/** Splits `TIER/ID` at its first slash; an id may hold more of them. */
function splitName(name: string): { tier: string; id: string } | undefined {
  const at = name.indexOf("/");
  return at > 0 && at < name.length - 1 ? { tier: name.slice(0, at), id: name.slice(at + 1) } : undefined;
}

function isProvider(name: string): name is Provider {
  return (providers as readonly string[]).includes(name);
}

/** The file with the tiers and models added that the flags name and it does not have. */
export function withModelFlags(file: ConfigFile, flags: ModelFlags): ConfigFile {
  const { model, forceModel } = modelsOfFlags(flags);
  let extended = file;
  if (model !== undefined) extended = withModel(extended, "--model", model, flags.baseUrl);
  if (forceModel !== undefined) extended = withModel(extended, "--force-model", forceModel, flags.baseUrl);
  for (const { flag, name } of flags.named ?? []) extended = withModel(extended, flag, name, undefined);
  return extended;
}

function withModel(file: ConfigFile, flag: string, name: string, baseUrl: string | undefined): ConfigFile {
  const models = file.models ?? {};
  const entries = Object.values(models);
  const parts = splitName(name);
  if (Object.hasOwn(models, name) || name.startsWith("task:")) return file;
  if (baseUrl === undefined && name !== "auto" && entries.some(({ model }) => model === name)) return file;
  if (!parts) {
    const known = [...Object.keys(models), ...entries.flatMap(({ model }) => model ?? [])];
    const suggestion = suggestName(name, known);
    throw new UserError(
      `${flag} expects an alias or a model id of the config, or TIER/ID; found "${name}": ${suggestion}`,
    );
  }
  const tiers = { ...file.tiers };
  if (baseUrl !== undefined) tiers[parts.tier] = { provider: "openai-compatible", baseUrl };
  else if (!Object.hasOwn(tiers, parts.tier))
    tiers[parts.tier] = newTier(flag, parts.tier, parts.id, Object.keys(tiers));
  const isRegistered = entries.some(({ tier, model }) => tier === parts.tier && model === parts.id);
  if (isRegistered) return { ...file, tiers };
  return { ...file, tiers, models: { ...models, [name]: { tier: parts.tier, model: parts.id } } };
}

function newTier(flag: string, tierName: string, id: string, tierNames: readonly string[]): TierFile {
  if (!isProvider(tierName)) {
    const suggestion = suggestName(tierName, [...new Set([...tierNames, ...providers])]);
    throw new UserError(`${flag} ${tierName}/${id}: expected a tier or a provider before the slash; ${suggestion}`);
  }
  const { defaultBaseUrl, noUrl } = providerFacts[tierName];
  if (!defaultBaseUrl && !noUrl) {
    throw new UserError(
      `${flag} ${tierName}/${id}: nothing says where the server is; write --base-url URL ${flag} ${id}`,
    );
  }
  return { provider: tierName };
}

/**
 * The model that a row or a flag means: an alias; `TIER/ID` with a configured tier (the registry's entry for it if
 * there is one, so that its price and limits count); or a provider's model id of the registry, its first entry.
 */
export function findModel(config: Config, name: string): ModelConfig | undefined {
  const byAlias = config.models[name];
  if (byAlias) return byAlias;
  const all = Object.values(config.models);
  const parts = splitName(name);
  if (parts && config.tiers[parts.tier]) {
    const registered = all.find(({ tier, model }) => tier === parts.tier && model === parts.id);
    return registered ?? Object.freeze(buildModel(name, { tier: parts.tier, model: parts.id }));
  }
  return name === "auto" ? undefined : all.find(({ model }) => model === name);
}
