import type { TierConfig } from "../config/config.ts";
import type { Outcome } from "../job/outcome.ts";
import { patienceMs } from "./decide-retry.ts";
import { throttlePauseMs } from "./pace.ts";

export interface Pause {
  readonly reason: string;
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly patienceMs: number;
}

/** Models of a tier whose rows wait a while, by `performance.now`. */
export interface ModelPauses {
  /** @param needsAction it does not end by itself. */
  pause(modelId: string, reason: string, forMs: number, needsAction: boolean): void;
  /** Pauses a model as the end of one of its calls asks for, if it does. */
  after(modelId: string, outcome: Outcome): void;
  /** The pause of a model that is not over. */
  of(modelId: string): Pause | undefined;
  /** Why a model waits, for the display. */
  shownReason(): string | undefined;
}

const unavailableModelPauseMs = 15_000;

/** A pause is shown for this long after it: rows try, and pause again, in between. */
const shownLongerMs = 1_000;

/** Of a pause of this length one wants to know when it ends. */
const longPauseMs = 120_000;

const minuteOf = (atMs: number): string => new Date(atMs).toISOString().slice(0, 16).replace("T", " ");

/** @param onChange told of each pause. */
export function createModelPauses({ fallbackAfterMs }: TierConfig, onChange: () => void): ModelPauses {
  const pauses = new Map<string, Pause & { readonly shown: string }>();

  function pause(modelId: string, reason: string, forMs: number, needsAction: boolean): void {
    const before = pauses.get(modelId);
    const nowMs = performance.now();
    const sinceMs = before !== undefined && nowMs < before.untilMs + 2 * forMs ? before.sinceMs : nowMs;
    pauses.set(modelId, {
      reason,
      shown: forMs < longPauseMs ? reason : `${reason} (until ${minuteOf(Date.now() + forMs)} UTC)`,
      sinceMs,
      untilMs: nowMs + forMs,
      patienceMs: patienceMs(needsAction, fallbackAfterMs),
    });
    onChange();
  }

  return {
    pause,
    after(modelId, outcome) {
      if (outcome.kind === "throttled") {
        pause(modelId, outcome.message, outcome.retryAfterMs ?? throttlePauseMs, false);
      } else if (outcome.kind === "unavailable" && outcome.scope === "model") {
        pause(modelId, outcome.message, unavailableModelPauseMs, true);
      }
    },
    of(modelId) {
      const known = pauses.get(modelId);
      return known !== undefined && known.untilMs > performance.now() ? known : undefined;
    },
    shownReason() {
      const nowMs = performance.now();
      for (const { shown, untilMs } of pauses.values()) if (untilMs + shownLongerMs > nowMs) return shown;
      return undefined;
    },
  };
}
