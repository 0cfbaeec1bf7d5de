import type { ModelConfig, Price, TierConfig } from "../config/config.ts";
import { costUsdOf } from "../config/price.ts";
import type { RowPayload } from "../job/batch.ts";
import type { Outcome } from "../job/outcome.ts";
import type { CheckedAnswer } from "./result-of-call.ts";

/** How asking for a row has ended, as far as money and quotas are concerned. */
export type PaidEnd = CheckedAnswer & { readonly outcome: Outcome; readonly latencyMs: number };

/** Billionths of a dollar for a token, at a price for a million of them. */
const nanoUsdPerToken = 1_000;

/** What a model costs, for all that is known in a pool; on the user's own machines nothing. */
function priceIn(tier: TierConfig, model: ModelConfig): Price | undefined {
  return model.price ?? (tier.location === "local" ? { inputPerMTok: 0, outputPerMTok: 0 } : undefined);
}

/** What budget.lua must know of a model, see openBudget. Input is taken at its dearest price. */
export function budgetTerms(tier: TierConfig, model: ModelConfig, hasBudget: boolean): readonly (string | number)[] {
  const price = priceIn(tier, model);
  const perDay = tier.dailyBudgetUsd === undefined ? "" : Math.floor(tier.dailyBudgetUsd * 1e9);
  if (price === undefined) return [hasBudget ? "1" : "0", perDay, "", "", model.maxOutputTokens];
  const input = Math.max(price.inputPerMTok, price.cachedInputPerMTok ?? 0) * nanoUsdPerToken;
  return [hasBudget ? "1" : "0", perDay, input, price.outputPerMTok * nanoUsdPerToken, model.maxOutputTokens];
}

/** Ends of a call that no provider bills: it was not made, or was refused before the model saw it. */
const unbilled: readonly Outcome["kind"][] = [
  "rejected",
  "context-overflow",
  "throttled",
  "unreachable",
  "unavailable",
  "refused-by-policy",
];

/** US dollars of a call, or undefined when nobody can say: then all counts that it could have cost. */
export function costOfCall(
  model: ModelConfig,
  tier: TierConfig,
  payload: RowPayload,
  end: PaidEnd | undefined,
): number | undefined {
  if (end === undefined) return 0;
  const { outcome } = end;
  if (outcome.kind === "cancelled" && end.latencyMs === 0) return 0;
  if (outcome.kind !== "answered") {
    // With a form there may have been a first call, whose answer this end does not tell.
    return unbilled.includes(outcome.kind) && payload.request.answerForm === undefined ? 0 : undefined;
  }
  if (end.misfit !== undefined) return undefined;
  const { usage, costUsd, priceFactor = 1 } = outcome.answer;
  if (costUsd !== undefined) return costUsd;
  return usage.inputTokens > 0 ? priceFactor * costUsdOf(usage, priceIn(tier, model)) : undefined;
}
