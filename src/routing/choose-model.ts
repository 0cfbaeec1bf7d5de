import { findModel } from "../config/ad-hoc.ts";
import type { Config, ModelConfig, TaskConfig, TierConfig } from "../config/config.ts";
import { suggestName } from "../config/nearest.ts";
import { providerFacts } from "../config/providers.ts";
import type { OtherEndpoint } from "../job/endpoints.ts";
import { UserError } from "../job/errors.ts";
import { createLatencies, type Latencies } from "../job/latency.ts";
import { mayHold } from "./privacy-gate.ts";
import { type ModelFacts, type RankedModel, rankModels } from "./rank-models.ts";
import type { TierUsability } from "./usable-tier.ts";

/** What of a row decides its route. */
export interface RoutedRow {
  readonly task?: string;
  /** An alias, `TIER/ID`, a provider's model id of the registry, or `task:NAME`. */
  readonly model?: string;
  readonly private: boolean;
  readonly request?: { readonly endpoint?: OtherEndpoint };
}

/** `--task` and `--model` for rows that name none; `--force-model` for all rows. */
export interface RouteDefaults {
  readonly task?: string | undefined;
  readonly model?: string | undefined;
  readonly forceModel?: string | undefined;
}

export interface SkippedModel {
  readonly alias: string;
  readonly reason: string;
}

/** A model of a route, and why it stands where it stands. */
export interface ExplainedModel {
  readonly alias: string;
  readonly why: string;
}

export interface PlannedRoute {
  readonly ok: true;
  /** Null for a row that names a model and no task. */
  readonly task: string | null;
  /** The row's own mark, or its task's. */
  readonly private: boolean;
  /** Names for `findModel`, in the order in which they may be used; at least one. */
  readonly candidates: readonly string[];
  readonly skipped: readonly SkippedModel[];
  /** All models of the route in their order, with the reason for it. */
  readonly order: readonly ExplainedModel[];
}

/**
 * `invalid`: the row names what does not exist. `policy`: it is private and no model of its route may hold it. `no-route`:
 * models of its route exist, but none can be used with the adapters and keys there are.
 */
export interface FailedRoute {
  readonly ok: false;
  readonly kind: "invalid" | "no-route" | "policy";
  readonly task: string | null;
  readonly message: string;
  readonly skipped: readonly SkippedModel[];
  readonly order: readonly ExplainedModel[];
}
export type RoutePlan = PlannedRoute | FailedRoute;

export const taskPrefix = "task:";

/** Chooses the models that a row may use. Pure. Privacy and keys come before what its task prefers. */
export function planRoute(
  row: RoutedRow,
  config: Config,
  usable: (tierName: string) => TierUsability,
  defaults: RouteDefaults,
  latencyMsOf: ModelFacts["latencyMsOf"] = () => undefined,
): RoutePlan {
  // OpenAI's lines must name a model: "auto" is how one says none.
  const rowModel = row.model === "auto" && !Object.hasOwn(config.models, "auto") ? undefined : row.model;
  const named = defaults.forceModel ?? rowModel ?? defaults.model;
  const namesTask = named?.startsWith(taskPrefix) === true;
  const modelName = namesTask ? undefined : named;
  const taskName = namesTask ? named?.slice(taskPrefix.length) : (row.task ?? defaults.task);

  for (const name of [taskName, row.task]) {
    if (name !== undefined && !Object.hasOwn(config.tasks, name))
      return invalid("task", name, Object.keys(config.tasks));
  }
  // A row without a task is of the default task where privacy is concerned, even when it names its model.
  const task = config.tasks[taskName ?? config.defaultTask];
  const ownTask = row.task === undefined ? undefined : config.tasks[row.task];
  const isPrivate = row.private || task?.private === true || ownTask?.private === true;
  const label = modelName === undefined ? (task?.name ?? null) : (taskName ?? null);

  const ranked =
    modelName === undefined ? modelsOfTask(task, config, latencyMsOf) : modelNamed(findModel(config, modelName));
  if (modelName !== undefined && ranked.length === 0) return unknownModel(modelName, config, label);
  const order = ranked.map(({ model, why }) => ({ alias: model.alias, why }));
  const candidates: string[] = [];
  const skipped: SkippedModel[] = [];
  const endpoint = row.request?.endpoint;
  let allowed = 0;
  let lacking = 0;
  for (const { model } of ranked) {
    const tier = config.tiers[model.tier];
    const held = tier ? mayHold(tier, model.model, isPrivate) : `there is no tier ${model.tier}`;
    if (held !== true) {
      skipped.push({ alias: model.alias, reason: held });
      continue;
    }
    allowed++;
    if (endpoint !== undefined && !hasEndpoint(tier, endpoint)) {
      lacking++;
      skipped.push({ alias: model.alias, reason: `tier ${model.tier} has no ${endpoint}` });
      continue;
    }
    const usability = usable(model.tier);
    if (usability.usable) candidates.push(model.alias);
    else skipped.push({ alias: model.alias, reason: usability.reason });
  }
  if (candidates.length > 0) return { ok: true, task: label, private: isPrivate, candidates, skipped, order };
  const reasons = skipped.map(({ alias, reason }) => `${alias}: ${reason}`).join("; ");
  if (endpoint !== undefined && lacking === allowed && allowed > 0) {
    const having = Object.values(config.tiers).filter((tier) => hasEndpoint(tier, endpoint));
    const where =
      having.length === 0 ? "no tier has it" : `tiers that have it: ${having.map(({ name }) => name).join(", ")}`;
    const message = `no model of its route can be asked at ${endpoint} (${reasons}); ${where}`;
    return { ok: false, kind: "invalid", task: label, message, skipped, order };
  }
  const [kind, what] =
    allowed === 0
      ? (["policy", "no model of its route may hold a private row"] as const)
      : (["no-route", "no model of its route can be used"] as const);
  return { ok: false, kind, task: label, message: `${what} (${reasons})`, skipped, order };
}

function hasEndpoint(tier: TierConfig | undefined, endpoint: OtherEndpoint): boolean {
  return tier !== undefined && providerFacts[tier.provider].endpoints?.includes(endpoint) === true;
}

function modelNamed(model: ModelConfig | undefined): RankedModel[] {
  return model === undefined ? [] : [{ model, why: "named by the row" }];
}

function modelsOfTask(
  task: TaskConfig | undefined,
  config: Config,
  latencyMsOf: ModelFacts["latencyMsOf"],
): RankedModel[] {
  if (!task) return [];
  const listed = [task.primary, ...task.fallback].flatMap((alias) => config.models[alias] ?? []);
  const isLocal = ({ tier }: ModelConfig): boolean => config.tiers[tier]?.location === "local";
  return rankModels(listed, task.prefer, { isLocal, latencyMsOf });
}

function invalid(what: string, name: string, names: readonly string[], task: string | null = null): FailedRoute {
  const message = `unknown ${what} "${name.slice(0, 100)}": ${suggestName(name.slice(0, 100), names)}`;
  return { ok: false, kind: "invalid", task, message, skipped: [], order: [] };
}

function unknownModel(name: string, config: Config, task: string | null): FailedRoute {
  const slash = name.indexOf("/");
  if (slash > 0) return invalid("tier", name.slice(0, slash), Object.keys(config.tiers), task);
  return invalid("model", name, Object.keys(config.models), task);
}

/** Plans a row; the same plan for the same kind of row. */
export type Router = (row: RoutedRow) => RoutePlan;

/** Plans kept; more distinct combinations of task, model and privacy than this push out the oldest. */
const keptPlans = 4096;

/**
 * `planRoute` for many rows: each combination of task, model, privacy and endpoint is planned once, with the usability that tiers
 * had then; where a task prefers the fastest model, again whenever latencies were learned. The plans are shared: do not change them.
 * @throws UserError when the defaults name a task or model that does not exist.
 */
export function createRouter(
  config: Config,
  usable: (tierName: string) => TierUsability,
  defaults: RouteDefaults = {},
  latencies: Latencies = createLatencies(),
): Router {
  checkDefaults(config, defaults);
  const plans = new Map<string, RoutePlan>();
  const prefersFastest = prefersLatency(config);
  let plannedWith = latencies.version();
  return (row) => {
    if (prefersFastest && plannedWith !== latencies.version()) {
      plans.clear();
      plannedWith = latencies.version();
    }
    const task = row.task === undefined ? "" : `=${row.task}`;
    const model = row.model === undefined ? "" : `=${row.model}`;
    const key = `${row.private ? "private" : ""}\n${task}\n${model}\n${row.request?.endpoint ?? ""}`;
    const known = plans.get(key);
    if (known) return known;
    const plan = planRoute(row, config, usable, defaults, latencies.meanMsOf);
    if (plans.size >= keptPlans) plans.delete(plans.keys().next().value!);
    plans.set(key, plan);
    return plan;
  };
}

/** Whether any route depends on measured latency. */
export function prefersLatency({ tasks }: Config): boolean {
  return Object.values(tasks).some(({ prefer }) => prefer === "fastest");
}

function checkDefaults(config: Config, defaults: RouteDefaults): void {
  const flags: [string, RoutedRow][] = [];
  if (defaults.task !== undefined) flags.push(["--task", { task: defaults.task, private: false }]);
  if (defaults.model !== undefined) flags.push(["--model", { model: defaults.model, private: false }]);
  if (defaults.forceModel !== undefined) flags.push(["--force-model", { model: defaults.forceModel, private: false }]);
  for (const [flag, row] of flags) {
    const plan = planRoute(row, config, () => ({ usable: true }), {});
    if (!plan.ok && plan.kind === "invalid") throw new UserError(`${flag}: ${plan.message} (config: ${config.source})`);
  }
}
