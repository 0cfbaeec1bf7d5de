import { findModel } from "./config/ad-hoc.ts";
import type { Config, TierConfig } from "./config/config.ts";
import { quotaScopeOf } from "./config/limits.ts";
import { formOfRequest } from "./intake/body-form.ts";
import type { RowPayload } from "./job/batch.ts";
import type { ConsensusRule } from "./job/consensus.ts";
import { limitFields } from "./job/endpoints.ts";
import type { ErrorCode } from "./job/result.ts";
import type { PromptRequest, PromptRow } from "./job/row.ts";
import type { RowVotes } from "./job/row-votes.ts";
import { type PlannedVotes, planVotes } from "./plan-votes.ts";
import type { FailedRoute, PlannedRoute, Router } from "./routing/choose-model.ts";
import { createRuleCheck } from "./routing/consensus-rule.ts";
import { createDetector } from "./routing/detect-private.ts";
import { weighRequest } from "./routing/estimate.ts";
import {
  createRuleFinder,
  expandVotes,
  type FailedExpansion,
  type FoundRule,
  isSameRoutes,
  type RoutesOfVotes,
  type RuleFinder,
  routesOfVotes,
} from "./routing/expand-votes.ts";

/** A row that can be asked. */
export interface PreparedRow {
  readonly id: string;
  readonly task: string | null;
  readonly private: boolean;
  /** Model names for `findModel`, best first, and the tier of each. */
  readonly route: readonly string[];
  readonly tiers: readonly string[];
  /** What it waits in line for at first: its tier, or a model of it with limits of its own. */
  readonly lane: string;
  /** JSON of its RowPayload. */
  readonly payload: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Several models are asked: `route` and `payload` are those of the first, `tiers` are all. */
  readonly votes?: RowVotes;
}

/** A row that cannot be asked, and what its failed result says. */
export interface UnusableRow {
  readonly id: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** Why a row cannot be asked. */
export type RowFailure = Pick<UnusableRow, "code" | "message">;

export type PlannedRow =
  | ({ readonly ok: true } & { readonly row: PreparedRow })
  | ({ readonly ok: false } & UnusableRow);

/** What is the same for all rows of one route. */
interface KnownRoute {
  readonly tiers: readonly string[];
  readonly lane: string;
  /** Its tokens are to be estimated. */
  readonly isWeighed: boolean;
  /** What bounds the output of a whole OpenAI body that bounds none, where there is a budget. */
  readonly outputLimit: OutputLimit | undefined;
}

interface OutputLimit {
  readonly field: "max_completion_tokens" | "max_tokens";
  readonly tokens: number;
}

/** OpenAI's own newer models refuse the older name, many others do not know the newer one. */
const limitFieldOf = (tier: TierConfig | undefined): OutputLimit["field"] =>
  tier?.provider === "openai" ? "max_completion_tokens" : "max_tokens";

function withLimit(request: PromptRequest, { field, tokens }: OutputLimit): PromptRequest {
  const { openaiBody, maxOutputTokens, endpoint } = request;
  const name = endpoint === undefined ? field : limitFields[endpoint];
  if (openaiBody === undefined || maxOutputTokens !== undefined || name === undefined) return request;
  return { ...request, maxOutputTokens: tokens, openaiBody: { ...openaiBody, [name]: tokens } };
}

/** Answers that one call asks for: `n` choices for each prompt of a list, of which the best may be chosen. */
function answersOf({ openaiBody = {}, endpoint }: PromptRequest): number {
  const { n, best_of, prompt } = openaiBody;
  const choices = [n, best_of].map((count) => (typeof count === "number" ? count : 1));
  const prompts =
    endpoint === "/v1/completions" && Array.isArray(prompt) && typeof prompt[0] !== "number" ? prompt : [];
  return Math.max(1, ...choices) * Math.max(1, prompts.length);
}

function weightOf(request: PromptRequest): NonNullable<RowPayload["weight"]> {
  const { inputTokens, mostInputTokens } = weighRequest(request);
  // Embeddings write no token; 0 would stand for as many as the model may.
  const output = request.endpoint === "/v1/embeddings" ? 1 : (request.maxOutputTokens ?? 0) * answersOf(request);
  // An answer that is not of the form asked for is asked for once more.
  const calls = request.answerForm === undefined ? 1 : 2;
  return [inputTokens, Math.ceil(output), mostInputTokens, calls];
}

export interface PlannerOptions {
  readonly strict?: boolean;
  /** The batch as a whole has a budget. */
  readonly hasBudget?: boolean;
  /** By which rule a row is put to several models, if it is. Default: its own, else its task's. */
  readonly ruleOf?: RuleFinder;
  /** Why no private row may be queued at all, if so: its Redis is not local. */
  readonly noPrivateRows: string | undefined;
}

/** Where a valid row and its route become what the queues take. */
export function createRowPlanner(
  route: Router,
  config: Config,
  { strict = false, hasBudget = false, ruleOf = createRuleFinder(config), noPrivateRows }: PlannerOptions,
): (row: PromptRow) => PlannedRow {
  const detect = createDetector(config.policy.detect);
  const wrongIn = createRuleCheck(config);
  const knownRoutes = new WeakMap<readonly string[], KnownRoute>();
  /** By rule, as of the last row that it held for. */
  const lastVotes = new WeakMap<ConsensusRule, { readonly routes: RoutesOfVotes; readonly planned: PlannedVotes }>();

  function look(candidates: readonly string[]): KnownRoute {
    // The router returns the same list for the same kind of row.
    let known = knownRoutes.get(candidates);
    if (known === undefined) {
      const models = candidates.map((alias) => findModel(config, alias)!);
      const tiers = models.map((model) => model.tier);
      const scopes = models.map((model) => quotaScopeOf(config.tiers[model.tier], model));
      const isBudgeted = hasBudget || tiers.some((tier) => config.tiers[tier]?.dailyBudgetUsd !== undefined);
      known = {
        tiers,
        lane: scopes[0]?.name ?? tiers[0]!,
        isWeighed: isBudgeted || scopes.some((scope) => scope !== undefined),
        outputLimit: isBudgeted
          ? { field: limitFieldOf(config.tiers[tiers[0]!]), tokens: models[0]!.maxOutputTokens }
          : undefined,
      };
      knownRoutes.set(candidates, known);
    }
    return known;
  }

  function placeOf({ candidates }: PlannedRoute) {
    const { tiers, lane } = look(candidates);
    return { tier: tiers[0]!, lane };
  }

  /** JSON of what the queues take of a row for the models of a plan. */
  function payloadOf({ id, metadata }: Pick<PromptRow, "id" | "metadata">, plan: PlannedRoute, asked: PromptRequest) {
    const { isWeighed, outputLimit } = look(plan.candidates);
    const request = outputLimit === undefined ? asked : withLimit(asked, outputLimit);
    return JSON.stringify({
      ...(isWeighed ? { weight: weightOf(request) } : {}),
      id,
      task: plan.task,
      private: plan.private,
      ...(strict ? { strict } : {}),
      route: plan.candidates,
      ...(metadata === undefined ? {} : { metadata }),
      request,
    } satisfies RowPayload);
  }

  function prepare(row: PromptRow, plan: PlannedRoute): PreparedRow {
    const { tiers, lane } = look(plan.candidates);
    const { id, metadata } = row;
    const { task, candidates: route } = plan;
    const payload = payloadOf(row, plan, row.request);
    const extras = metadata === undefined ? {} : { metadata };
    return { id, task, private: plan.private, route, tiers, lane, payload, ...extras };
  }

  /** The result of a row has its metadata, its votes need none. */
  function prepareVotes({ id, request, metadata }: PromptRow, { asked, first, planOf, tiers, lane }: PlannedVotes) {
    const extras = metadata === undefined ? {} : { metadata };
    const votes: RowVotes = {
      ...asked,
      id,
      request,
      form: request.answerForm,
      payloadOf: (voter, other = request) => payloadOf({ id }, planOf.get(voter)!, other),
      ...extras,
    };
    const payload = payloadOf({ id }, first, request);
    const { task } = asked;
    return { id, task, private: first.private, route: first.candidates, tiers, lane, payload, votes, ...extras };
  }

  /** Rows that are put to models alike share what is planned for them. */
  function plannedVotes(found: FoundRule, row: PromptRow): PlannedVotes | FailedExpansion {
    const routes = routesOfVotes(found, row, route);
    const last = lastVotes.get(found.rule);
    if (last !== undefined && isSameRoutes(last.routes, routes)) return last.planned;
    const expansion = expandVotes(found.rule, routes, row.request.endpoint);
    if (!expansion.ok) return expansion;
    const planned = planVotes(found.rule, expansion, placeOf);
    lastVotes.set(found.rule, { routes, planned });
    return planned;
  }

  function plan(row: PromptRow): PreparedRow | RowFailure {
    const found = ruleOf(row);
    if (found !== undefined) {
      const wrong = wrongIn(found.rule);
      if (wrong !== undefined) return { code: "invalid_row", message: wrong };
      const asked = withBodyForm(row);
      if (typeof asked === "string") return { code: "invalid_row", message: asked };
      const planned = plannedVotes(found, asked);
      return planned.ok ? prepareVotes(asked, planned) : failureOf(planned);
    }
    const plan = route(row);
    return plan.ok ? prepare(row, plan) : failureOf(plan);
  }

  return (row) => {
    const found = row.private ? undefined : detect?.(row.request);
    const planned = plan(found === undefined ? row : { ...row, private: true });
    const failed = (code: ErrorCode, message: string): PlannedRow => {
      const extras = row.metadata === undefined ? {} : { metadata: row.metadata };
      return { ok: false, id: row.id, code, message, ...extras };
    };
    if ("code" in planned) {
      const why = found === undefined ? "" : ` (private by policy.detect: ${found})`;
      return failed(planned.code, `${planned.message}${why}`);
    }
    if (planned.private && noPrivateRows !== undefined) return failed("policy_refused", noPrivateRows);
    return { ok: true, row: planned };
  };
}

/** Answers to a provider's own request that asks for JSON are compared field by field, as those of a flat row are. */
function withBodyForm(row: PromptRow): PromptRow | string {
  const answerForm = formOfRequest(row.request);
  if (answerForm === undefined || typeof answerForm === "string") return answerForm ?? row;
  return { ...row, request: { ...row.request, answerForm } };
}

const failureOf = ({ kind, message }: Pick<FailedRoute, "kind" | "message">): RowFailure => ({
  code: kind === "policy" ? "policy_refused" : "invalid_row",
  message,
});
