import { createRate, type Rate } from "../job/rate.ts";
import { type FleetSnapshot, type TierState, unworkedReason } from "./fleet-snapshot.ts";

/** A tier as the page shows it. */
export interface TierView {
  readonly tier: string;
  readonly provider: string | undefined;
  readonly location: string | undefined;
  /** `unworked`: rows wait and no process works it; `unused`: neither. */
  readonly state: "working" | "ready" | "waits" | "down" | "paused" | "unworked" | "unused";
  readonly isSized: boolean;
  readonly processes: number;
  readonly running: number;
  readonly slots: number;
  readonly waiting: number;
  readonly perSecond: number;
  readonly errorsPerSecond: number;
  readonly endpoints: number;
  readonly endpointsDown: number;
  readonly reasons: readonly string[];
  readonly quotas: readonly QuotaView[];
}

export interface QuotaView {
  readonly models: readonly string[];
  readonly limit: string;
  readonly perMinute: number;
  /** 0 to 1. */
  readonly used: number;
}

const rateWindowMs = 10_000;

/** @param rowsWaiting rows of batches here that no one asks for yet, by tier: most are not in its queue yet. */
export type ViewTiers = (snapshot: FleetSnapshot, rowsWaiting: ReadonlyMap<string, number>) => TierView[];

/** Views of tiers; remembers what it saw, for rates. */
export function createTierViews(): ViewTiers {
  const rates = new Map<string, { readonly answers: Rate; readonly errors: Rate }>();
  return (snapshot, rowsWaiting) =>
    snapshot.tiers.map((state) => {
      const { tier, provider, location, isSized, processes, running, slots, endpoints, endpointsDown, quotas } = state;
      let rate = rates.get(tier);
      if (rate === undefined) {
        rate = { answers: createRate(rateWindowMs), errors: createRate(rateWindowMs) };
        rates.set(tier, rate);
      }
      rate.answers.add(state.answered, snapshot.atMs);
      rate.errors.add(state.erred, snapshot.atMs);
      const waiting = Math.max(state.waiting, (rowsWaiting.get(tier) ?? 0) - running);
      return {
        tier,
        provider,
        location,
        state: kindOf(state, waiting),
        isSized,
        processes,
        running,
        slots,
        waiting,
        perSecond: short(rate.answers.perSecond()),
        errorsPerSecond: short(rate.errors.perSecond()),
        endpoints,
        endpointsDown,
        // Rows that are not in its queue yet wait as well.
        reasons: processes === 0 && waiting > 0 ? [...new Set([...state.reasons, unworkedReason])] : state.reasons,
        quotas: quotas.flatMap(({ models, limits }) =>
          limits.map(({ name, perMinute, used }) => ({
            models,
            limit: name,
            perMinute,
            used: Math.round(used * 100) / 100,
          })),
        ),
      };
    });
}

function kindOf(state: TierState, waiting: number): TierView["state"] {
  if (state.isPaused) return "paused";
  if (state.processes === 0) return waiting > 0 ? "unworked" : "unused";
  if (state.endpoints > 0 && state.endpointsDown === state.endpoints) return "down";
  if (state.reasons.length > 0 && (waiting > 0 || state.running > 0)) return "waits";
  return state.running > 0 || waiting > 0 ? "working" : "ready";
}

/** So that what hardly changes does not change. */
export const short = (value: number): number => Number(value.toPrecision(3));

/** What was, for the plots: points at even distances, oldest first, of the tiers that were ever in use. */
export interface TierHistory {
  readonly everyMs: number;
  /** When its newest point was taken. */
  readonly endMs: number;
  readonly tiers: Readonly<Record<string, TierSeries>>;
}

export interface TierSeries {
  readonly perSecond: readonly number[];
  readonly running: readonly number[];
  readonly waiting: readonly number[];
}

export const historyEveryMs = 5_000;
const pointsKept = 180;

/** The last quarter of an hour. */
export function createTierHistory() {
  const points: { readonly perSecond: number; readonly running: number; readonly waiting: number }[][] = [];
  const places = new Map<string, number>();
  const nothing = { perSecond: 0, running: 0, waiting: 0 };
  let endMs = 0;
  return {
    add(views: readonly TierView[], nowMs: number): void {
      endMs = nowMs;
      const point: (typeof points)[number] = [];
      for (const { tier, state, perSecond, running, waiting } of views) {
        if (state === "unused" && !places.has(tier)) continue;
        let place = places.get(tier);
        if (place === undefined) {
          place = places.size;
          places.set(tier, place);
        }
        point[place] = { perSecond, running, waiting };
      }
      points.push(point);
      if (points.length > pointsKept) points.shift();
    },
    all(): TierHistory {
      const seriesOf = (place: number): TierSeries => {
        const of = (name: keyof TierSeries) => points.map((point) => (point[place] ?? nothing)[name]);
        return { perSecond: of("perSecond"), running: of("running"), waiting: of("waiting") };
      };
      return {
        everyMs: historyEveryMs,
        endMs,
        tiers: Object.fromEntries([...places].map(([tier, place]) => [tier, seriesOf(place)])),
      };
    },
  };
}
