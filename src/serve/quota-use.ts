import type { Config, Limits } from "../config/config.ts";
import { quotaScopeOf } from "../config/limits.ts";

/** What shares one quota: a model, or all of a tier that have no limits of their own. */
export interface QuotaScopeOfTier {
  readonly scope: string;
  readonly tier: string;
  readonly models: readonly string[];
  readonly limits: Limits | "auto";
}

/** A quota as the fleet stands in it. */
export interface QuotaState {
  readonly scope: string;
  readonly tier: string;
  /** Aliases of the models that share it. */
  readonly models: readonly string[];
  readonly limits: readonly LimitState[];
  /** The provider asked to wait: for so long still, and why. */
  readonly pausedForMs: number;
  readonly pauseReason: string | undefined;
}

export interface LimitState {
  readonly name: LimitName;
  readonly perMinute: number;
  /** What is charged now is more than what was earned back: a moment of full use. */
  readonly isInUse: boolean;
}

const limitNames = ["requests", "tokens", "input", "output"] as const;
export type LimitName = (typeof limitNames)[number];
const nameInConfig = { requests: "rpm", tokens: "tpm", input: "inputTpm", output: "outputTpm" } as const;

/** Every quota that the configuration knows of. */
export function quotaScopesOf(config: Config): readonly QuotaScopeOfTier[] {
  const scopes = new Map<string, { scope: string; tier: string; models: string[]; limits: Limits | "auto" }>();
  for (const model of Object.values(config.models)) {
    const found = quotaScopeOf(config.tiers[model.tier], model);
    if (found === undefined) continue;
    const known = scopes.get(found.name);
    if (known !== undefined) known.models.push(model.alias);
    else scopes.set(found.name, { scope: found.name, tier: model.tier, models: [model.alias], limits: found.limits });
  }
  return [...scopes.values()];
}

/** The fields of pool/pace.lua's hash that tell how a quota stands. */
export const paceFields = [...limitNames, ...limitNames.map((name) => `limit:${name}`), "pausedUntil", "reason"];

/** @param fields the values of `paceFields`; @param nowMs by Redis' clock. */
export function readQuota(about: QuotaScopeOfTier, fields: readonly (string | null)[], nowMs: number): QuotaState {
  const { scope, tier, models, limits } = about;
  const pausedForMs = Math.max(0, Number(fields[8] ?? 0) - nowMs);
  return {
    scope,
    tier,
    models,
    limits: limitNames.flatMap((name, at) => {
      const perMinute = limits === "auto" ? Number(fields[4 + at] ?? 0) : (limits[nameInConfig[name]] ?? 0);
      return perMinute > 0 ? [{ name, perMinute, isInUse: Number(fields[at] ?? 0) > nowMs }] : [];
    }),
    pausedForMs,
    pauseReason: pausedForMs > 0 ? (fields[9] ?? undefined) : undefined,
  };
}

/** About this long a look counts. */
const memoryMs = 20_000;

/**
 * How much of a limit is used: the part of the time in which what was charged was not yet earned back, which is what
 * the load of any queue is. Each look is a sample; a limit that is in use whenever it is looked at is used up.
 */
export function createUseMeter(): (key: string, isInUse: boolean, nowMs: number) => number {
  const uses = new Map<string, { share: number; atMs: number; readonly firstMs: number }>();
  return (key, isInUse, nowMs) => {
    const sample = isInUse ? 1 : 0;
    const use = uses.get(key);
    if (use === undefined) {
      uses.set(key, { share: sample, atMs: nowMs, firstMs: nowMs });
      return sample;
    }
    const sinceMs = Math.max(0, nowMs - use.atMs);
    const countedMs = Math.max(1, sinceMs, Math.min(memoryMs, nowMs - use.firstMs));
    use.share += (sample - use.share) * (sinceMs / countedMs);
    use.atMs = nowMs;
    return use.share;
  };
}
