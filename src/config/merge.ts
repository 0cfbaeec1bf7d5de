import type { ConfigFile, ModelFile, TaskFile, TierFile } from "./schema.ts";

type Plain = Readonly<Record<string, unknown>>;

function isPlain(value: unknown): value is Plain {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Objects key by key, at any depth; anything else (lists too) is replaced. */
function mergeDeep<Value>(base: Value, over: Value): Value {
  if (!isPlain(base) || !isPlain(over)) return over === undefined ? base : over;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) merged[key] = mergeDeep(merged[key], value);
  return merged as Value;
}

function without<Value extends object>(value: Value, keys: readonly (keyof Value)[]): Value {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key as keyof Value))) as Value;
}

/** Another provider is another tier; another address has its own location. */
function mergeTier(base: TierFile, over: TierFile): TierFile {
  if (over.provider !== undefined && over.provider !== base.provider) return over;
  return mergeDeep(over.baseUrl === undefined ? base : without(base, ["location"]), over);
}

/** Price and limits belong to a model id on a tier: another id must not inherit them. */
function mergeModel(base: ModelFile, over: ModelFile): ModelFile {
  const isOther =
    (over.model !== undefined && over.model !== base.model) || (over.tier !== undefined && over.tier !== base.tier);
  return mergeDeep(isOther ? without(base, ["price", "limits", "contextTokens"]) : base, over);
}

/** A new primary has its own reason, and is no longer among the fallbacks that it inherits. */
function mergeTask(base: TaskFile, over: TaskFile): TaskFile {
  if (over.primary === undefined || over.primary === base.primary) return mergeDeep(base, over);
  const kept = without(base, ["why"]);
  if (kept.fallback) kept.fallback = kept.fallback.filter((alias) => alias !== over.primary);
  return mergeDeep(kept, over);
}

function mergeNamed<Value>(
  base: Record<string, Value> | undefined,
  over: Record<string, Value> | undefined,
  mergeOne: (base: Value, over: Value) => Value,
): Record<string, Value> {
  const merged: Record<string, Value> = { ...base };
  for (const [name, value] of Object.entries(over ?? {})) {
    merged[name] = base && Object.hasOwn(base, name) ? mergeOne(base[name]!, value) : value;
  }
  return merged;
}

/** What `"extends": "default"` means: the packaged config with what the file says laid over it. */
export function extendConfig(base: ConfigFile, over: ConfigFile): ConfigFile {
  return {
    ...mergeDeep(base, over),
    tiers: mergeNamed(base.tiers, over.tiers, mergeTier),
    models: mergeNamed(base.models, over.models, mergeModel),
    tasks: mergeNamed(base.tasks, over.tasks, mergeTask),
  };
}
