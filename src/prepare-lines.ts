import { dirname, resolve } from "node:path";
import { adapters } from "../workers/index.ts";
import { findModel, modelsOfFlags } from "./config/ad-hoc.ts";
import type { Config } from "./config/config.ts";
import { quotaScopeOf } from "./config/limits.ts";
import type { Input } from "./intake/open-input.ts";
import { createRowParser, type RowParser } from "./intake/parse-row.ts";
import { readTemplate } from "./intake/template.ts";
import type { ConsensusRule } from "./job/consensus.ts";
import { UserError } from "./job/errors.ts";
import type { Latencies } from "./job/latency.ts";
import type { AnswerForm, LineFormat } from "./job/row.ts";
import { createRouteLister, type RouteLister, routesOfRow } from "./list-routes.ts";
import { createRowPlanner } from "./plan-row.ts";
import { laneOf } from "./plan-votes.ts";
import { createLineReader, type LineReader } from "./read-lines.ts";
import { createRouter, prefersLatency, type RoutePlan, type Router } from "./routing/choose-model.ts";
import { consensusRuleOf } from "./routing/consensus-rule.ts";
import { unboundedCost } from "./routing/cost-bound.ts";
import { createRuleFinder, type RuleFinder } from "./routing/expand-votes.ts";
import { createMissingRoutes } from "./routing/missing-routes.ts";
import { tierUsability } from "./routing/usable-tier.ts";

export interface LineFlags {
  readonly task?: string | undefined;
  readonly model?: string | undefined;
  readonly forceModel?: string | undefined;
  readonly baseUrl?: string | undefined;
  readonly prompt?: string | undefined;
  readonly promptFile?: string | undefined;
  readonly system?: string | undefined;
  readonly answerForm?: AnswerForm | undefined;
  readonly consensus?: number | undefined;
  readonly consensusModels?: readonly string[] | undefined;
  readonly budget?: number | undefined;
  readonly strict: boolean;
  readonly wait: boolean;
  readonly pools: boolean;
  /** Why private rows may not go through the Redis there is. */
  readonly noPrivateRows: string | undefined;
}

/**
 * Everything that can be wrong with a run before anything is sent: the template, the defaults, rows without a route.
 * @throws UserError
 */
export async function prepareLines(
  config: Config,
  input: Input,
  flags: LineFlags,
  latencies: Latencies,
): Promise<LineReader> {
  const template = readTemplate(flags);
  const parse = createRowParser({
    ...(template === undefined ? {} : { prompt: template }),
    ...(flags.system === undefined ? {} : { system: flags.system }),
    answerForm: flags.answerForm,
    imageFolder: imageFolderOf(input),
    strict: flags.strict,
    kind: input.kind,
  });
  // Keys and adapters of this process do not matter when others do the asking, or when the user wants to wait for them.
  const hereOrElsewhere = flags.wait || !flags.pools;
  const usable = hereOrElsewhere
    ? () => ({ usable: true }) as const
    : tierUsability(config, (provider) => Object.hasOwn(adapters, provider));
  const defaults = { task: flags.task, ...modelsOfFlags(flags) };
  const route = createRouter(config, usable, defaults, latencies);
  const ruleOf = createRuleFinder(config, defaults, ruleOfRun(flags, config));
  const routes = createRouteLister(input, parse, route, ruleOf);
  const reader = createLineReader(
    {
      parse,
      route,
      routes: (row) => routesOfRow(row, route, ruleOf),
      plan: createRowPlanner(route, config, { ...flags, ruleOf, hasBudget: flags.budget !== undefined }),
      format: await formatOf(input, parse),
    },
    // Files name neither task nor model: all go the same way.
    possibleTiers(config, route, input.kind === "files" ? [{ private: false }] : kindsOfRows(config, flags), ruleOf),
  );
  if (!everyRouteExists(config, route, flags, ruleOf)) await refuseMissingRoutes(routes);
  if (flags.budget !== undefined || Object.values(config.tiers).some((tier) => tier.dailyBudgetUsd !== undefined)) {
    await refuseUnboundedCosts(config, routes, flags.budget !== undefined);
  }
  return reader;
}

/** Paths of images begin at the folder of the input's file, so that both can be moved; a pipe has none. */
function imageFolderOf({ identity: { source, modifiedMs } }: Input): string {
  return modifiedMs === 0 ? process.cwd() : dirname(resolve(source));
}

async function formatOf(input: Input, parse: RowParser): Promise<LineFormat> {
  for await (const lines of input.readLines()) {
    for (const line of lines) {
      const parsed = parse(line.bytes, input.lineNumberOf(line.index));
      if (parsed.ok) return parsed.format;
    }
  }
  return "flat";
}

interface KindOfRow {
  readonly task?: string;
  readonly model?: string;
  readonly private: boolean;
}

/** Kinds of rows that the config knows of; rows that name a model outside of it are told apart one by one. */
function kindsOfRows(config: Config, { forceModel }: Pick<LineFlags, "forceModel">): KindOfRow[] {
  const names =
    forceModel !== undefined
      ? [{}]
      : [
          {},
          ...Object.keys(config.tasks).map((task) => ({ task })),
          ...Object.keys(config.models).map((model) => ({ model })),
        ];
  return names.flatMap((name) => [
    { ...name, private: false },
    { ...name, private: true },
  ]);
}

function everyRouteExists(config: Config, route: Router, flags: LineFlags, ruleOf: RuleFinder): boolean {
  return kindsOfRows(config, flags).every((kind) => routesOfRow(kind, route, ruleOf).every(isThere));
}

const isThere = (plan: RoutePlan): boolean => plan.ok || plan.kind !== "no-route";

/**
 * The rule that the flags give, if any.
 * @throws UserError for one that contradicts itself or the other flags, or that names an unknown model.
 */
function ruleOfRun(flags: LineFlags, config: Config): ConsensusRule | undefined {
  const { consensus: threshold, consensusModels: models, model, forceModel, baseUrl } = flags;
  if (threshold === undefined && models === undefined) return undefined;
  if (models === undefined) {
    throw new UserError("--consensus: expected --consensus-models a,b,c beside it, found none");
  }
  if (model !== undefined || forceModel !== undefined || baseUrl !== undefined) {
    throw new UserError(
      "expected --consensus-models, or --model, --force-model or --base-url; found both; leave one out",
    );
  }
  return consensusRuleOf(config, { models, threshold }, (field) =>
    field === "threshold" ? "--consensus" : `--consensus-${field}`,
  );
}

/** How many tiers (or lanes of them) can come first in the route of a row of these kinds. Default: all that the config knows. */
export function possibleTiers(
  config: Config,
  route: Router,
  kinds: readonly KindOfRow[] = kindsOfRows(config, {}),
  ruleOf: RuleFinder = createRuleFinder(config),
): number {
  const lanes = new Set<string>();
  const lanesOf = (plan: RoutePlan): string[] => {
    const candidates = plan.ok ? plan.candidates : [];
    // Whichever is the fastest then comes first.
    const mayComeFirst = prefersLatency(config) ? candidates : candidates.slice(0, 1);
    return mayComeFirst.map((alias) => {
      const model = findModel(config, alias)!;
      return quotaScopeOf(config.tiers[model.tier], model)?.name ?? model.tier;
    });
  };
  for (const kind of kinds) {
    const lanesOfKind = routesOfRow(kind, route, ruleOf).flatMap(lanesOf);
    const found = ruleOf(kind);
    if (found !== undefined) lanes.add(laneOf(found.rule, lanesOfKind));
    else for (const lane of lanesOfKind) lanes.add(lane);
  }
  return lanes.size;
}

async function refuseMissingRoutes(routes: RouteLister): Promise<void> {
  const missing = createMissingRoutes();
  for await (const plan of routes()) {
    if (!plan.ok && plan.kind === "no-route") missing.add(plan);
  }
  if (missing.rows() > 0) throw new UserError(missing.message());
}

/** Under a budget every model that a row may use must have a cost that can be known before it is asked. */
async function refuseUnboundedCosts(config: Config, routes: RouteLister, hasBudget: boolean): Promise<void> {
  const seen = new Set<string>();
  const problems: string[] = [];
  for await (const plan of routes()) {
    for (const alias of plan.ok ? plan.candidates : []) {
      if (seen.has(alias)) continue;
      seen.add(alias);
      const model = findModel(config, alias)!;
      const tier = config.tiers[model.tier]!;
      const problem = hasBudget || tier.dailyBudgetUsd !== undefined ? unboundedCost(tier, model) : undefined;
      if (problem !== undefined) problems.push(problem);
    }
  }
  if (problems.length > 0) {
    throw new UserError(
      `expected a cost that can be bounded of every model that rows may use, as there is a budget; found ${problems.join("; ")}; or leave the budget out`,
    );
  }
}
