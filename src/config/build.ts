import { durationMsOf } from "../job/duration.ts";
import { baseUrlsOf, defaultTaskOf, trustedHostsOf } from "./check.ts";
import type { Config, ModelConfig, ServeConfig, TaskConfig, TierConfig } from "./config.ts";
import { buildConsensus } from "./consensus-rule.ts";
import { locate } from "./location.ts";
import { providerFacts } from "./providers.ts";
import type { ConfigFile, ModelFile, TaskFile, TierFile } from "./schema.ts";
import type { ServeFile } from "./serve-schema.ts";

type Present<Value> = { [Key in keyof Value]: Exclude<Value[Key], undefined> };

/** Without the keys whose value is undefined. */
function present<Value extends object>(value: Value): Present<Value> {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Present<Value>;
}

function buildTier(name: string, file: TierFile, trustedHosts: readonly string[]): TierConfig {
  const { baseUrl, provider, location: declared, limits, ...rest } = file;
  if (provider === undefined) throw new Error(`tier ${name} was not checked`);
  const baseUrls = baseUrlsOf(file);
  const { location } = locate({ provider, baseUrls, declared }, trustedHosts);
  // Not for another address: nobody said that it may see the provider's key.
  const apiKeyEnv = baseUrl === undefined ? providerFacts[provider].defaultApiKeyEnv : undefined;
  const known = limits === undefined && location === "cloud" ? "auto" : limits;
  return {
    concurrency: "auto",
    requestTimeoutMs: 600_000,
    fallbackAfterMs: 300_000,
    ...(apiKeyEnv && { apiKeyEnv }),
    ...present(rest),
    ...(known === undefined ? {} : { limits: known === "auto" ? known : present(known) }),
    name,
    provider,
    baseUrls,
    location,
  };
}

/** A model with its defaults; also for a `TIER/ID` that a row names. */
export function buildModel(alias: string, file: ModelFile): ModelConfig {
  const { tier, model, defaults, limits, price, ...rest } = file;
  if (tier === undefined || model === undefined) throw new Error(`model ${alias} was not checked`);
  return {
    maxOutputTokens: 2048,
    ...present(rest),
    ...(limits && { limits: present(limits) }),
    ...(price && { price: present(price) }),
    defaults: present(defaults ?? {}),
    alias,
    tier,
    model,
  };
}

function buildTask(name: string, file: TaskFile): TaskConfig {
  const { primary, consensus, ...rest } = file;
  if (primary === undefined) throw new Error(`task ${name} was not checked`);
  const votes = consensus === undefined ? {} : { consensus: buildConsensus(consensus) };
  return { fallback: [], private: false, prefer: "listed", ...present(rest), ...votes, name, primary };
}

function buildServe(file: ServeFile): ServeConfig {
  const { completionWindow = "enforced", retention = "30d", tokens = [], limits = {}, webhook = {} } = file;
  return {
    completionWindow,
    retentionMs: durationMsOf(retention) ?? Number.POSITIVE_INFINITY,
    tokens: tokens.map((token) => ({ ...token, sha256: token.sha256.toLowerCase() })),
    limits: {
      maxFileBytes: 20 * 2 ** 30,
      maxBodyBytes: 256 * 2 ** 20,
      maxRowsPerBatch: 10_000_000,
      maxUploadsAtOnce: 16,
      maxRequestsPerMinute: 60_000,
      ...present(limits),
    },
    webhook: { allowPrivate: false, ...present(webhook) },
  };
}

/** Without a prototype, so that a row's task `constructor` finds nothing. */
function named<From, To>(from: Readonly<Record<string, From>> | undefined, build: (name: string, value: From) => To) {
  const built: Record<string, To> = Object.create(null);
  for (const [name, value] of Object.entries(from ?? {})) built[name] = build(name, value);
  return built;
}

function freezeDeep<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) freezeDeep(inner);
  return Object.freeze(value);
}

/** The frozen Config of a merged and checked file. */
export function buildConfig(
  file: ConfigFile,
  given: {
    readonly fleet: string;
    readonly source: string;
    readonly keys: ReadonlyMap<string, string>;
    /** Looks a variable up again. Default: as in `keys`. */
    readonly rereadKey?: (name: string) => Promise<string | undefined>;
  },
): Config {
  const trustedHosts = trustedHostsOf(file);
  const tiers = named(file.tiers, (name, tier) => buildTier(name, tier, trustedHosts));
  return freezeDeep({
    fleet: given.fleet,
    defaultTask: defaultTaskOf(file),
    tiers,
    models: named(file.models, buildModel),
    tasks: named(file.tasks, buildTask),
    policy: { trustedHosts, detect: file.policy?.detect ?? [] },
    serve: buildServe(file.serve ?? {}),
    source: given.source,
    keyOf: (tierName: string) => given.keys.get(tiers[tierName]?.apiKeyEnv ?? ""),
    rereadKeyOf: async (tierName: string) => {
      const name = tiers[tierName]?.apiKeyEnv ?? "";
      return name === "" || given.rereadKey === undefined ? given.keys.get(name) : given.rereadKey(name);
    },
  });
}
