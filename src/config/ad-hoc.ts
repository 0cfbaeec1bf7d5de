import { UserError } from "../job/errors.ts";
import { buildModel } from "./build.ts";
import { type Config, type ModelConfig, type Provider, providers } from "./config.ts";
import { suggestName } from "./nearest.ts";
import { providerFacts } from "./providers.ts";
import { type ConfigFile, isServerUrl, serverUrlText, type TierFile } from "./schema.ts";

/** `--model` and `--base-url` as given. */
export interface ModelFlags {
  /** An alias, `TIER/ID`, or a provider's model id; with `baseUrl` the id alone, "auto" when left out. */
  readonly model?: string | undefined;
  readonly baseUrl?: string | undefined;
}

/** The tier that `--base-url` makes is named after host and port: `127.0.0.1-8000`. */
function tierNameOf(baseUrl: string): string {
  const url = new URL(baseUrl);
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  return `${url.hostname}-${port}`
    .toLowerCase()
    .replace(/[^a-z0-9_.-]+/g, "-")
    .replace(/^-+/, "");
}

/** The model that rows without one are to use because of these flags: a name that `findModel` understands. */
export function modelOfFlags(flags: ModelFlags): string | undefined {
  if (flags.baseUrl === undefined) return flags.model;
  if (!isServerUrl(flags.baseUrl)) {
    throw new UserError(`--base-url must be ${serverUrlText}; for example --base-url http://127.0.0.1:8000/v1`);
  }
  const tier = tierNameOf(flags.baseUrl);
  const model = flags.model ?? "auto";
  return model.startsWith(`${tier}/`) ? model : `${tier}/${model}`;
}

/** Splits `TIER/ID` at its first slash; an id may hold more of them. */
function splitName(name: string): { tier: string; id: string } | undefined {
  const at = name.indexOf("/");
  return at > 0 && at < name.length - 1 ? { tier: name.slice(0, at), id: name.slice(at + 1) } : undefined;
}

function isProvider(name: string): name is Provider {
  return (providers as readonly string[]).includes(name);
}

/** The file with the tier and the model added that the flags name and it does not have. */
export function withModelFlags(file: ConfigFile, flags: ModelFlags): ConfigFile {
  const name = modelOfFlags(flags);
  const models = file.models ?? {};
  if (name === undefined || Object.hasOwn(models, name)) return file;
  const parts = splitName(name);
  const tiers = { ...file.tiers };
  if (flags.baseUrl !== undefined && parts) {
    tiers[parts.tier] = { provider: "openai-compatible", baseUrl: flags.baseUrl };
  } else if (Object.values(models).some(({ model }) => model === name && model !== "auto")) {
    return file;
  } else if (!parts) {
    const known = [...Object.keys(models), ...Object.values(models).flatMap(({ model }) => model ?? [])];
    throw new UserError(
      `--model must be an alias or a model id of the config, or TIER/ID; found "${name}": ${suggestName(name, known)}`,
    );
  } else if (!Object.hasOwn(tiers, parts.tier)) {
    tiers[parts.tier] = newTier(parts.tier, name, Object.keys(tiers));
  }
  if (!parts) return file;
  const registered = Object.values(models).some(({ tier, model }) => tier === parts.tier && model === parts.id);
  if (registered) return { ...file, tiers };
  return { ...file, tiers, models: { ...models, [name]: { tier: parts.tier, model: parts.id } } };
}

function newTier(tierName: string, model: string, tierNames: readonly string[]): TierFile {
  if (!isProvider(tierName)) {
    const suggestion = suggestName(tierName, [...new Set([...tierNames, ...providers])]);
    throw new UserError(
      `--model ${model}: expected a tier or a provider before the slash, found "${tierName}": ${suggestion}`,
    );
  }
  const { defaultBaseUrl, noUrl } = providerFacts[tierName];
  if (!defaultBaseUrl && !noUrl) {
    const id = model.slice(tierName.length + 1);
    throw new UserError(`--model ${model}: nothing says where the server is; write --base-url URL --model ${id}`);
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
