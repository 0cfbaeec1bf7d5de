import type { Adapter } from "../workers/adapter.ts";
import { adapters } from "../workers/index.ts";
import { identifyServer } from "../workers/server-identity.ts";
import type { Config, TaskConfig } from "./config/config.ts";
import { lookAtModel, type ModelLook } from "./inspect/look-at-model.ts";
import { lookAtTier, type TierLook } from "./inspect/look-at-tier.ts";
import { type TimedCall, timeCall } from "./inspect/timed-call.ts";
import { UserError } from "./job/errors.ts";
import { planRoute } from "./routing/choose-model.ts";
import { type ModelFacts, rankModels } from "./routing/rank-models.ts";

/** What of a config can be used now, found out by asking every server what it has. */
export interface Examination {
  readonly tiers: ReadonlyMap<string, TierLook>;
  readonly models: ReadonlyMap<string, ModelLook>;
}

/** A model of a task's route, in its order. */
export interface RouteStep extends ModelLook {
  readonly why: string;
}

const allAdapters: Partial<Record<string, Adapter>> = adapters;

/** Probes every tier of a config, all at once. Costs nothing. */
export async function examine(config: Config): Promise<Examination> {
  const looks = await Promise.all(
    Object.values(config.tiers).map((tier) =>
      lookAtTier(tier, config, {
        adapter: allAdapters[tier.provider],
        async programAt(options) {
          const identity = await identifyServer(options);
          return identity && [identity.kind, identity.version].filter((word) => word !== undefined).join(" ");
        },
      }),
    ),
  );
  const tiers = new Map(looks.map((look) => [look.tier, look]));
  const models = new Map(
    Object.values(config.models).map((model) => [model.alias, lookAtModel(model, config, tiers.get(model.tier))]),
  );
  return { tiers, models };
}

/**
 * The models of a task in the order in which rows are given to them, each with what stands in its way.
 * @throws UserError for a task that does not exist.
 */
export function routeOf(
  task: string,
  config: Config,
  { models }: Pick<Examination, "models">,
  latencyMsOf: ModelFacts["latencyMsOf"],
): RouteStep[] {
  const plan = planRoute({ task, private: false }, config, () => ({ usable: true }), {}, latencyMsOf);
  if (!plan.ok && plan.kind === "invalid") throw new UserError(`${plan.message} (config: ${config.source})`);
  const held = new Map(plan.skipped.map(({ alias, reason }) => [alias, reason]));
  return plan.order.map(({ alias, why }) => {
    const reason = held.get(alias);
    const look = models.get(alias) ?? { alias, usable: false, reason: "it is not in the registry" };
    return reason === undefined ? { ...look, why } : { alias, why, usable: false, reason };
  });
}

/** Tasks of which no model can be used now. */
export function tasksWithoutModel(config: Config, examination: Examination): TaskConfig[] {
  return Object.values(config.tasks).filter(({ name }) =>
    routeOf(name, config, examination, () => undefined).every(({ usable }) => !usable),
  );
}

/** A call of one token at every tier that is ready, of its cheapest model that can be used. */
export async function timeCalls(config: Config, examination: Examination): Promise<Map<string, TimedCall>> {
  const timed = new Map<string, TimedCall>();
  // One after the other: they are not to slow each other down.
  for (const look of examination.tiers.values()) {
    const tier = config.tiers[look.tier];
    const adapter = tier && allAdapters[tier.provider];
    if (tier === undefined || adapter === undefined || look.state !== "ready") continue;
    const usable = Object.values(config.models).filter(
      ({ alias, tier }) => tier === look.tier && examination.models.get(alias)?.usable === true,
    );
    const isLocal = () => tier.location === "local";
    const model = rankModels(usable, "cheapest", { isLocal, latencyMsOf: () => undefined })[0]?.model;
    if (model === undefined) continue;
    const id = model.model === "auto" ? look.models[0]! : model.model;
    timed.set(look.tier, await timeCall(tier, config, adapter, model, id));
  }
  return timed;
}
