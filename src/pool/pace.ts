import type { ModelConfig, TierConfig } from "../config/config.ts";
import { quotaScopeOf } from "../config/limits.ts";
import { providerFacts } from "../config/providers.ts";
import type { Settlement } from "../job/batch.ts";
import type { Outcome, QuotaLimit, QuotaReport } from "../job/outcome.ts";
import { budgetTerms, costOfCall, type PaidEnd } from "./cost-of-call.ts";
import type { Charge, Lease, Terms } from "./gate.ts";
import type { AskedRow } from "./result-of-call.ts";
import { createTokenEstimates } from "./token-estimates.ts";
import { type WaitKind, waitKindOf } from "./wait-kind.ts";

/**
 * Starts are handed out this far ahead, so that those who have one sleep until then and ask nobody; what a dead pool had
 * been given is at most that.
 */
export const horizonMs = 500;
/** How long a backend is left alone that asks to wait and does not say how long. */
export const throttlePauseMs = 1_000;

/** What a provider said of the limits of a scope. */
export interface QuotaNews {
  readonly limits: readonly (readonly [string, QuotaLimit])[];
  /** 0: none. */
  readonly pauseMs: number;
  readonly reason: string;
}

/** The limits of one tier and its models, as this process knows and waits for them. */
export interface Pace {
  /** Some of its rows may have limits. */
  readonly isPaced: boolean;
  /** Calls that this process holds, where they are counted over all processes. */
  held(): number | undefined;
  /** What the gate must know; undefined for a row without limits of any kind. */
  termsOf(model: ModelConfig, task: string | null, stood: boolean, hasBudget: boolean): Terms | undefined;
  /** Sleeps until a row may go on; false when it was turned away meanwhile, or its caller has left. */
  wait(delayMs: number, caller?: AbortSignal): Promise<boolean>;
  noteWait(scope: string, reason: string, delayMs: number): void;
  /** Tells the fleet what the end of a call says of the limits of its model. */
  noteOutcome(model: ModelConfig, outcome: Outcome): void;
  /**
   * Once for each row that was let in: learns from its answer, and says what is to be settled.
   * @param end undefined when no call was made.
   */
  settle(charge: Charge, row: AskedRow, end: PaidEnd | undefined): Settlement;
  /** An online call takes its slot, before it asks for its turn: the one that is kept, or one more. */
  enterOnline(): void;
  /** And gives it back; before what it has cost is settled. */
  leaveOnline(): void;
  /** What is to be settled of an online call. */
  settleOnline(charge: Charge, row: AskedRow, end: PaidEnd | undefined): Settlement;
  /** Why rows wait here, for the display. */
  waitReason(): string | undefined;
  waitKind(): WaitKind | undefined;
  /** For good: sends away all who wait. */
  turnAway(): void;
}

/** A wait is shown for this long after it, so that the display does not flicker between two waits. */
const shownLongerMs = 1_000;

/**
 * @param report tells the fleet; need not succeed, as the next answer says it again.
 * @param servesOnline one of the calls that are counted over all processes is kept for online calls, if there are two.
 */
export function createPace(
  tier: TierConfig,
  models: readonly ModelConfig[],
  report: (scope: string, news: QuotaNews) => void,
  servesOnline = false,
): Pace {
  const { quotaRule, cachedInputIsFree = false } = providerFacts[tier.provider];
  const chargesMost = quotaRule === "most-output";
  const estimates = createTokenEstimates();
  const keptSlots = servesOnline && (tier.maxConcurrency ?? 0) > 1 ? 1 : 0;
  const lease: Lease | undefined =
    tier.maxConcurrency === undefined ? undefined : { most: tier.maxConcurrency, held: keptSlots };
  let onlineCalls = 0;
  const sleepers = new Set<(mayGoOn: boolean) => void>();
  const waits = new Map<string, { readonly reason: string; readonly untilMs: number }>();
  const told = new Map<string, { readonly perMinute: number; readonly atMs: number }>();
  let turningAway = false;

  function currentWaits() {
    const nowMs = performance.now();
    for (const [scope, { untilMs }] of waits) if (untilMs <= nowMs) waits.delete(scope);
    return [...waits];
  }

  /** Limits that have changed, and those of which less is left than the fleet may send within the horizon. */
  function worthTelling(scope: string, quota: QuotaReport | undefined): (readonly [string, QuotaLimit])[] {
    return Object.entries(quota ?? noLimits).filter(([name, { perMinute, left }]) => {
      const key = `${scope} ${name}`;
      const before = told.get(key);
      const sinceMs = before?.perMinute === perMinute ? performance.now() - before.atMs : Infinity;
      const isLow = left < perMinute * (horizonMs / 60_000 + 0.01);
      const isNews = sinceMs > (isLow ? lowToldAgainMs : toldAgainMs);
      if (isNews) told.set(key, { perMinute, atMs: performance.now() });
      return isNews;
    });
  }

  function settlementOf(
    { terms, inputTokens, outputTokens, msEach }: Charge,
    { model, payload }: AskedRow,
    end: PaidEnd | undefined,
  ): Settlement {
    const settlement = {
      scope: terms.scope,
      tier: tier.name,
      costUsd: costOfCall(model, tier, payload, end),
      held: lease && (() => lease.held),
    };
    // Without usage what was charged stays charged.
    if (end?.outcome.kind !== "answered" || end.outcome.answer.usage.inputTokens === 0) {
      return { ...settlement, ms: {} };
    }
    const { usage } = end.outcome.answer;
    const calls = end.repairs + 1;
    if (calls === 1) estimates.note(model.model, payload.task, payload.weight?.[0] ?? 0, usage);
    const input = usage.inputTokens - (cachedInputIsFree ? usage.cachedTokens : 0) - inputTokens;
    const output = chargesMost ? (calls - 1) * outputTokens : usage.outputTokens - outputTokens;
    const ms = {
      requests: (calls - 1) * msEach.requests,
      tokens: (input + output) * msEach.tokens,
      input: input * msEach.input,
      output: output * msEach.output,
    };
    return { ...settlement, ms: Object.fromEntries(Object.entries(ms).filter(([, amount]) => amount !== 0)) };
  }

  return {
    held: () => lease?.held,
    isPaced: models.some((model) => model.tier === tier.name && quotaScopeOf(tier, model) !== undefined),
    termsOf(model, task, stood, hasBudget) {
      const scope = quotaScopeOf(tier, model);
      const isBudgeted = hasBudget || tier.dailyBudgetUsd !== undefined;
      if (scope === undefined && lease === undefined && !isBudgeted) return undefined;
      const { rpm, tpm, inputTpm, outputTpm } =
        scope?.limits === "auto"
          ? { rpm: "auto", tpm: "auto", inputTpm: "auto", outputTpm: "auto" }
          : { rpm: 0, tpm: 0, inputTpm: 0, outputTpm: 0, ...scope?.limits };
      const factor = estimates.inputFactor(model.model).toFixed(4);
      return {
        tier: tier.name,
        alias: model.alias,
        scope: scope?.name ?? "",
        pace: [
          ...[rpm, tpm, inputTpm, outputTpm],
          ...[chargesMost ? "most" : "real", model.maxOutputTokens, factor, horizonMs],
        ],
        lease,
        budget: budgetTerms(tier, model, hasBudget),
        stood,
        expectedOutputTokens: estimates.expectedOutput(model.model, task, model.maxOutputTokens),
      };
    },
    wait(delayMs, caller) {
      if (turningAway || caller?.aborted) return Promise.resolve(false);
      if (delayMs <= 0) return Promise.resolve(true);
      return new Promise((resolve) => {
        const end = (mayGoOn: boolean): void => {
          clearTimeout(timer);
          sleepers.delete(end);
          caller?.removeEventListener("abort", leave);
          resolve(mayGoOn);
        };
        const leave = (): void => end(false);
        const timer = setTimeout(end, delayMs, true);
        sleepers.add(end);
        caller?.addEventListener("abort", leave);
      });
    },
    noteWait(scope, reason, delayMs) {
      waits.set(scope || tier.name, { reason, untilMs: performance.now() + delayMs + shownLongerMs });
    },
    noteOutcome(model, outcome) {
      const scope = quotaScopeOf(tier, model);
      if (scope === undefined || (outcome.kind !== "answered" && outcome.kind !== "throttled")) return;
      const limits = worthTelling(scope.name, outcome.quota);
      if (outcome.kind === "throttled") {
        report(scope.name, { limits, pauseMs: outcome.retryAfterMs ?? throttlePauseMs, reason: outcome.message });
      } else if (limits.length > 0) {
        report(scope.name, { limits, pauseMs: 0, reason: "" });
      }
    },
    settle(charge, row, end) {
      if (lease !== undefined) lease.held--;
      return settlementOf(charge, row, end);
    },
    enterOnline() {
      if (onlineCalls++ >= keptSlots && lease !== undefined) lease.held++;
    },
    leaveOnline() {
      if (--onlineCalls >= keptSlots && lease !== undefined) lease.held--;
    },
    settleOnline: settlementOf,
    waitReason() {
      const reasons = currentWaits().map(([scope, { reason }]) => `${scope}: ${limitWords[reason] ?? reason}`);
      return reasons.length === 0 ? undefined : reasons.join("; ");
    },
    waitKind() {
      const first = currentWaits()[0];
      return first && waitKindOf(first[1].reason);
    },
    turnAway() {
      turningAway = true;
      for (const end of [...sleepers]) end(false);
    },
  };
}

/** Redis may have lost what it was told. */
const toldAgainMs = 5_000;
/** A limit that is used up has little left at each answer; what the next one says a moment later is no less true. */
const lowToldAgainMs = 100;
/** Told too, so that calls of a provider that tells no limits are not held back until it does. */
const noLimits: Readonly<Record<string, QuotaLimit>> = { none: { perMinute: 1, left: 1 } };

const daySpentWords = "its budget of today is spent; it goes on at 00:00 UTC";
const daySmallWords = "a call may cost more than its whole budget of a day; give the tier a larger dailyBudgetUsd";

/** Whether a tier says that its budget of the day lets no call go. */
export const saysDayBudgetIsReached = (reason: string): boolean =>
  reason.includes(daySpentWords) || reason.includes(daySmallWords);

const limitWords: Readonly<Record<string, string>> = {
  unknown: "it waits for the first answer, which tells its limits",
  requests: "its limit of requests a minute is in use",
  tokens: "its limit of tokens a minute is in use",
  input: "its limit of input tokens a minute is in use",
  output: "its limit of output tokens a minute is in use",
  slots: "all calls that its maxConcurrency allows are in flight",
  unpriced: "there is a budget and nobody knows its price",
  "budget-unknown": "the budget of the run is not known here yet",
  "budget-reserved": "the rest of the budget is reserved for calls in flight",
  "budget-spent": "the budget is spent",
  "day-unknown": "nobody knows yet what it has spent today",
  "day-reserved": "the rest of its budget of today is reserved for calls in flight",
  "day-spent": daySpentWords,
  "day-small": daySmallWords,
};
