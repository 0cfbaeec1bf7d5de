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
import { votesOf } from "./plan-votes.ts";
import type { FailedRoute, PlannedRoute, Router } from "./routing/choose-model.ts";
import { createRuleCheck } from "./routing/consensus-rule.ts";
import { createDetector } from "./routing/detect-private.ts";
import { weighRequest } from "./routing/estimate.ts";
import { createRuleFinder, type ExpandedVotes, expandVotes, type RuleFinder } from "./routing/expand-votes.ts";

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

  /**
   * What the queues take of a row for the models of a plan.
   * @param jsonOf the JSON of a request, where that is written for several payloads. Joined to the rest it makes a string
   *   of two parts, which costs more than writing a payload that stands alone in one go.
   */
  function prepare(
    row: PromptRow,
    plan: PlannedRoute,
    asked: PromptRequest,
    jsonOf?: (request: PromptRequest) => string,
  ): PreparedRow {
    const { tiers, lane, isWeighed, outputLimit } = look(plan.candidates);
    const request = outputLimit === undefined ? asked : withLimit(asked, outputLimit);
    const extras = row.metadata === undefined ? {} : { metadata: row.metadata };
    const head: Omit<RowPayload, "request"> = {
      ...(isWeighed ? { weight: weightOf(request) } : {}),
      id: row.id,
      task: plan.task,
      private: plan.private,
      ...(strict ? { strict } : {}),
      route: plan.candidates,
      ...extras,
    };
    const payload =
      jsonOf === undefined
        ? JSON.stringify({ ...head, request } satisfies RowPayload)
        : `${JSON.stringify(head).slice(0, -1)},"request":${jsonOf(request)}}`;
    const { task, candidates: route } = plan;
    return { id: row.id, task, private: plan.private, route, tiers, lane, payload, ...extras };
  }

  function prepareVotes(row: PromptRow, rule: ConsensusRule, expanded: ExpandedVotes): PreparedRow {
    const { metadata, ...bare } = row;
    // Most of a payload is the request, which is the same for all who vote.
    const ofRow = JSON.stringify(row.request);
    const jsonOf = (request: PromptRequest) => (request === row.request ? ofRow : JSON.stringify(request));
    const payloadOf = (plan: PlannedRoute, request: PromptRequest) => prepare(bare, plan, request, jsonOf).payload;
    const first = prepare(bare, expanded.first, row.request, jsonOf);
    const votes = votesOf(row, rule, expanded, { payloadOf, placeOf });
    return { ...first, task: expanded.task, ...(metadata === undefined ? {} : { metadata }), ...votes };
  }

  function plan(row: PromptRow): PreparedRow | RowFailure {
    const found = ruleOf(row);
    if (found !== undefined) {
      const wrong = wrongIn(found.rule);
      if (wrong !== undefined) return { code: "invalid_row", message: wrong };
      const asked = withBodyForm(row);
      if (typeof asked === "string") return { code: "invalid_row", message: asked };
      const expansion = expandVotes(found, asked, route);
      return expansion.ok ? prepareVotes(asked, found.rule, expansion) : failureOf(expansion);
    }
    const plan = route(row);
    return plan.ok ? prepare(row, plan, row.request) : failureOf(plan);
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
