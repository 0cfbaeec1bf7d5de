import { dirname, resolve } from "node:path";
import { adapters } from "../workers/index.ts";
import { findModel, modelsOfFlags } from "./config/ad-hoc.ts";
import type { Config } from "./config/config.ts";
import { quotaScopeOf } from "./config/limits.ts";
import type { Input } from "./intake/open-input.ts";
import { createRowParser, type RowParser } from "./intake/parse-row.ts";
import { readTemplate } from "./intake/template.ts";
import { UserError } from "./job/errors.ts";
import type { Latencies } from "./job/latency.ts";
import type { AnswerForm, LineFormat } from "./job/row.ts";
import { createRowPlanner } from "./plan-row.ts";
import { createLineReader, type LineReader } from "./read-lines.ts";
import { createRouter, prefersLatency, type RoutePlan, type Router } from "./routing/choose-model.ts";
import { unboundedCost } from "./routing/cost-bound.ts";
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
  const route = createRouter(config, usable, { task: flags.task, ...modelsOfFlags(flags) }, latencies);
  const reader = createLineReader(
    parse,
    route,
    createRowPlanner(route, config, { ...flags, hasBudget: flags.budget !== undefined }),
    // Files name neither task nor model: all go the same way.
    possibleTiers(config, route, input.kind === "files" ? [{ private: false }] : kindsOfRows(config, flags)),
    await formatOf(input, parse),
  );
  if (!everyRouteExists(config, route, flags)) await refuseMissingRoutes(input, parse, route);
  if (flags.budget !== undefined || Object.values(config.tiers).some((tier) => tier.dailyBudgetUsd !== undefined)) {
    await refuseUnboundedCosts(config, input, parse, route, flags.budget !== undefined);
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

function everyRouteExists(config: Config, route: Router, flags: LineFlags): boolean {
  return kindsOfRows(config, flags).every((kind) => {
    const plan = route(kind);
    return plan.ok || plan.kind !== "no-route";
  });
}

/** How many tiers (or lanes of them) can come first in the route of a row of these kinds. Default: all that the config knows. */
export function possibleTiers(
  config: Config,
  route: Router,
  kinds: readonly KindOfRow[] = kindsOfRows(config, {}),
): number {
  const lanes = new Set<string>();
  for (const kind of kinds) {
    const plan = route(kind);
    if (!plan.ok) continue;
    // Whichever is the fastest then comes first.
    const mayComeFirst = prefersLatency(config) ? plan.candidates : plan.candidates.slice(0, 1);
    for (const alias of mayComeFirst) {
      const model = findModel(config, alias)!;
      lanes.add(quotaScopeOf(config.tiers[model.tier], model)?.name ?? model.tier);
    }
  }
  return lanes.size;
}

async function refuseMissingRoutes(input: Input, parse: RowParser, route: Router): Promise<void> {
  const missing = createMissingRoutes();
  for await (const plan of routesOf(input, parse, route)) {
    if (!plan.ok && plan.kind === "no-route") missing.add(plan);
  }
  if (missing.rows() > 0) throw new UserError(missing.message());
}

/** The routes of all rows; those that name nothing of their own have one, which comes once if it exists. */
async function* routesOf(input: Input, parse: RowParser, route: Router): AsyncIterable<RoutePlan> {
  const plain = route({ private: false });
  const plainRowsHaveRoute = plain.ok || plain.kind !== "no-route";
  if (plainRowsHaveRoute) yield plain;
  for await (const lines of input.readLines()) {
    for (const line of lines) {
      if (plainRowsHaveRoute && !mayNameItsRoute(line.bytes)) continue;
      const parsed = parse(line.bytes, input.lineNumberOf(line.index));
      if (parsed.ok) yield route(parsed.row);
    }
  }
}

/** Under a budget every model that a row may use must have a cost that can be known before it is asked. */
async function refuseUnboundedCosts(
  config: Config,
  input: Input,
  parse: RowParser,
  route: Router,
  hasBudget: boolean,
): Promise<void> {
  const seen = new Set<string>();
  const problems: string[] = [];
  for await (const plan of routesOf(input, parse, route)) {
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

/** Whether a line can be more than a plain row of the default route; a look at its bytes, as most lines are not. */
export function mayNameItsRoute(line: Buffer): boolean {
  return routingFields.test(line.toString("latin1"));
}

const routingFields = /"task"|"model"|"private"|\\u/;
