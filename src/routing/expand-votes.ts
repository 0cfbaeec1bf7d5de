import type { Config } from "../config/config.ts";
import { type ConsensusRule, judgeOf, weightOf, weightTolerance } from "../job/consensus.ts";
import type { OtherEndpoint } from "../job/endpoints.ts";
import {
  type FailedRoute,
  type PlannedRoute,
  type RouteDefaults,
  type RoutedRow,
  type RoutePlan,
  type Router,
  taskPrefix,
} from "./choose-model.ts";

/** A model that is to vote: where it is asked, or why it is not. */
export type PlannedVoter =
  | { readonly model: string; readonly plan: PlannedRoute }
  | { readonly model: string; readonly barred: string };

export interface ExpandedVotes {
  readonly ok: true;
  readonly task: string | null;
  /** Of the first that may be asked. */
  readonly first: PlannedRoute;
  readonly voters: readonly PlannedVoter[];
  readonly judge: PlannedVoter | undefined;
  readonly stronger: PlannedVoter | undefined;
}

export interface FailedExpansion {
  readonly ok: false;
  readonly kind: FailedRoute["kind"];
  readonly message: string;
}

export type Expansion = ExpandedVotes | FailedExpansion;

/** A row, and the rule that it brings. */
export type VotedRow = RoutedRow & { readonly consensus?: ConsensusRule };

export interface FoundRule {
  readonly rule: ConsensusRule;
  /** The task that the row is of. */
  readonly task: string | undefined;
}

/**
 * Which rule a row is asked by: its own, else none if it names a model, else that of the run, else its task's.
 * `--force-model` puts all rows to one model.
 */
export function createRuleFinder(config: Config, defaults: RouteDefaults = {}, ofRun?: ConsensusRule) {
  const hasRules = Object.values(config.tasks).some(({ consensus }) => consensus !== undefined);
  return ({ consensus, model, task: ownTask }: VotedRow): FoundRule | undefined => {
    if (defaults.forceModel !== undefined) return undefined;
    if (consensus === undefined && !hasRules && ofRun === undefined) return undefined;
    const named = model === undefined || model === "auto" ? defaults.model : model;
    const namesTask = named?.startsWith(taskPrefix) === true;
    const task = namesTask ? named.slice(taskPrefix.length) : (ownTask ?? defaults.task);
    if (consensus !== undefined) return { rule: consensus, task };
    if (named !== undefined && !namesTask) return undefined;
    const nameOfTask = task ?? config.defaultTask;
    const rule = ofRun ?? (Object.hasOwn(config.tasks, nameOfTask) ? config.tasks[nameOfTask]?.consensus : undefined);
    return rule && { rule, task: nameOfTask };
  };
}
export type RuleFinder = ReturnType<typeof createRuleFinder>;

/**
 * Expands a row into its votes. Pure. A model that may not be asked (it is not local, and the row is private) or cannot
 * be is left out, as long as the others can still reach the threshold of all weights; else the row fails.
 */
export function expandVotes(
  rule: ConsensusRule,
  { plans, others }: RoutesOfVotes,
  endpoint?: OtherEndpoint,
): Expansion {
  for (const plan of [...plans, ...others]) {
    if (plan?.ok === false && plan.kind === "invalid") return { ok: false, kind: plan.kind, message: plan.message };
  }
  if (endpoint === "/v1/embeddings") {
    return {
      ok: false,
      kind: "invalid",
      message: "consensus: expected a row with an answer to agree on, found one for /v1/embeddings",
    };
  }
  const voters = plans.map((plan, at) => voterOf(rule.models[at]!, plan));
  const total = sumOfWeights(rule, voters);
  const askable = voters.flatMap((voter) => ("plan" in voter ? [voter] : []));
  if (sumOfWeights(rule, askable) < rule.threshold * total - weightTolerance) {
    const isPolicy = plans.some((plan) => !plan.ok && plan.kind === "policy");
    const reasons = voters.flatMap((voter) => ("barred" in voter ? [voter.barred] : []));
    const found = askable.length === 0 ? "none" : `only ${askable.map(({ model }) => model).join(", ")}`;
    const message = `expected models that can reach the consensus of ${rule.threshold}, found ${found} that may be asked (${reasons.join("; ")})`;
    return { ok: false, kind: isPolicy ? "policy" : "no-route", message };
  }
  const [judge, stronger] = [judgeOf(rule), rule.escalate].map((model, at) =>
    model === undefined ? undefined : voterOf(model, others[at]!),
  );
  const first = askable[0]!.plan;
  return { ok: true, task: first.task, first, voters, judge, stronger };
}

/** How each model that a row is put to is reached: those that vote, then whoever judges and the stronger one. */
export interface RoutesOfVotes {
  readonly plans: readonly RoutePlan[];
  readonly others: readonly (RoutePlan | undefined)[];
}

export function routesOfVotes(
  { rule, task }: FoundRule,
  { private: isPrivate, request = {} }: RoutedRow,
  route: Router,
): RoutesOfVotes {
  const planOf = (model: string, asked: RoutedRow["request"] = request): RoutePlan =>
    route({ ...(task === undefined ? {} : { task }), model, private: isPrivate, request: asked });
  // A judge chats and embeddings are made, wherever the row itself is asked.
  const judging: RoutedRow["request"] = rule.similarity === undefined ? {} : { endpoint: "/v1/embeddings" };
  const judge = judgeOf(rule);
  const others = [
    judge === undefined ? undefined : planOf(judge, judging),
    rule.escalate === undefined ? undefined : planOf(rule.escalate),
  ];
  return { plans: rule.models.map((model) => planOf(model)), others };
}

/** The router plans rows of one kind once. */
export function isSameRoutes({ plans, others }: RoutesOfVotes, than: RoutesOfVotes): boolean {
  return plans.every((plan, at) => plan === than.plans[at]) && others.every((plan, at) => plan === than.others[at]);
}

function voterOf(model: string, plan: PlannedRoute | FailedRoute): PlannedVoter {
  if (plan.ok) return { model, plan };
  const [skipped] = plan.skipped;
  return { model, barred: skipped === undefined ? plan.message : `${skipped.alias}: ${skipped.reason}` };
}

const sumOfWeights = (rule: ConsensusRule, voters: readonly PlannedVoter[]): number =>
  voters.reduce((sum, { model }) => sum + weightOf(rule, model), 0);
