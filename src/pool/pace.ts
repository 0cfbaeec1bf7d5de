import type { ModelConfig, TierConfig } from "../config/config.ts";
import { quotaScopeOf } from "../config/limits.ts";
import { providerFacts } from "../config/providers.ts";
import type { PaceCorrection, RowPayload } from "../job/batch.ts";
import type { Outcome, QuotaLimit, QuotaReport } from "../job/outcome.ts";
import type { Charge, PaceQuestion } from "./gate.ts";
import { createTokenEstimates } from "./token-estimates.ts";

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
  /** What the gate is to be asked; undefined for a row without limits. */
  questionOf(model: ModelConfig, task: string | null, stood: boolean): PaceQuestion | undefined;
  /** Sleeps until a row may go on; false when it was turned away meanwhile. */
  wait(delayMs: number): Promise<boolean>;
  noteWait(scope: string, reason: string, delayMs: number): void;
  /** Tells the fleet what the end of a call says of the limits of its model. */
  noteOutcome(model: ModelConfig, outcome: Outcome): void;
  /** Learns from an answer, and says by how much its call was charged wrongly. */
  settle(charge: Charge, model: ModelConfig, payload: RowPayload, outcome: Outcome): PaceCorrection;
  /** Why rows wait here, for the display. */
  waitReason(): string | undefined;
  /** For good: sends away all who wait. */
  turnAway(): void;
}

/** A wait is shown for this long after it, so that the display does not flicker between two waits. */
const shownLongerMs = 1_000;

/** @param report tells the fleet; need not succeed, as the next answer says it again. */
export function createPace(
  tier: TierConfig,
  models: readonly ModelConfig[],
  report: (scope: string, news: QuotaNews) => void,
): Pace {
  const { quotaRule, cachedInputIsFree = false } = providerFacts[tier.provider];
  const chargesMost = quotaRule === "most-output";
  const estimates = createTokenEstimates();
  const sleepers = new Set<(mayGoOn: boolean) => void>();
  const waits = new Map<string, { readonly reason: string; readonly untilMs: number }>();
  const told = new Map<string, { readonly perMinute: number; readonly atMs: number }>();
  let turningAway = false;

  /** Limits that have changed, and those of which less is left than the fleet may send within the horizon. */
  function worthTelling(scope: string, quota: QuotaReport | undefined): (readonly [string, QuotaLimit])[] {
    return Object.entries(quota ?? noLimits).filter(([name, { perMinute, left }]) => {
      const key = `${scope} ${name}`;
      const before = told.get(key);
      const isNews = before?.perMinute !== perMinute || before.atMs < Date.now() - toldAgainMs;
      if (isNews) told.set(key, { perMinute, atMs: Date.now() });
      return isNews || left < perMinute * (horizonMs / 60_000 + 0.01);
    });
  }

  return {
    isPaced: models.some((model) => model.tier === tier.name && quotaScopeOf(tier, model) !== undefined),
    questionOf(model, task, stood) {
      const scope = quotaScopeOf(tier, model);
      if (scope === undefined) return undefined;
      const { rpm, tpm, inputTpm, outputTpm } =
        scope.limits === "auto"
          ? { rpm: "auto", tpm: "auto", inputTpm: "auto", outputTpm: "auto" }
          : { rpm: 0, tpm: 0, inputTpm: 0, outputTpm: 0, ...scope.limits };
      const factor = estimates.inputFactor(model.model).toFixed(4);
      return {
        scope: scope.name,
        alias: model.alias,
        terms: [
          ...[rpm, tpm, inputTpm, outputTpm],
          ...[chargesMost ? "most" : "real", model.maxOutputTokens, factor, horizonMs],
        ],
        stood,
        expectedOutputTokens: estimates.expectedOutput(model.model, task, model.maxOutputTokens),
      };
    },
    wait(delayMs) {
      if (turningAway) return Promise.resolve(false);
      if (delayMs <= 0) return Promise.resolve(true);
      return new Promise((resolve) => {
        const end = (mayGoOn: boolean): void => {
          clearTimeout(timer);
          sleepers.delete(end);
          resolve(mayGoOn);
        };
        const timer = setTimeout(end, delayMs, true);
        sleepers.add(end);
      });
    },
    noteWait(scope, reason, delayMs) {
      waits.set(scope, { reason, untilMs: Date.now() + delayMs + shownLongerMs });
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
    settle({ scope, inputTokens, outputTokens, msPerToken }, model, payload, outcome) {
      // Without usage what was charged stays charged.
      if (outcome.kind !== "answered" || outcome.answer.usage.inputTokens === 0) return { scope, ms: {} };
      const { usage } = outcome.answer;
      estimates.note(model.model, payload.task, payload.weight?.[0] ?? 0, usage);
      const input = usage.inputTokens - (cachedInputIsFree ? usage.cachedTokens : 0) - inputTokens;
      const output = chargesMost ? 0 : usage.outputTokens - outputTokens;
      const corrections = {
        tokens: (input + output) * msPerToken.tokens,
        input: input * msPerToken.input,
        output: output * msPerToken.output,
      };
      return { scope, ms: Object.fromEntries(Object.entries(corrections).filter(([, ms]) => ms !== 0)) };
    },
    waitReason() {
      const nowMs = Date.now();
      for (const [scope, { untilMs }] of waits) if (untilMs <= nowMs) waits.delete(scope);
      if (waits.size === 0) return undefined;
      return [...waits].map(([scope, { reason }]) => `${scope}: ${limitWords[reason] ?? reason}`).join("; ");
    },
    turnAway() {
      turningAway = true;
      for (const end of [...sleepers]) end(false);
    },
  };
}

/** Redis may have lost what it was told. */
const toldAgainMs = 5_000;
/** Told too, so that calls of a provider that tells no limits are not held back until it does. */
const noLimits: Readonly<Record<string, QuotaLimit>> = { none: { perMinute: 1, left: 1 } };

const limitWords: Readonly<Record<string, string>> = {
  requests: "its limit of requests a minute is in use",
  tokens: "its limit of tokens a minute is in use",
  input: "its limit of input tokens a minute is in use",
  output: "its limit of output tokens a minute is in use",
};
