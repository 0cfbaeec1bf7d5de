import { setTimeout as sleep } from "node:timers/promises";
import type { ServeContext } from "./context.ts";
import { type BatchView, watchBatches } from "./dashboard-batches.ts";
import { createFailureBook, type FailureView } from "./dashboard-failures.ts";
import {
  createTierHistory,
  createTierViews,
  historyEveryMs,
  type TierHistory,
  type TierView,
} from "./dashboard-tiers.ts";
import { createFleetLook, type FleetSnapshot } from "./fleet-snapshot.ts";

/** All that the page shows. */
export interface PageState {
  readonly fleet: FleetView;
  readonly tiers: readonly TierView[];
  readonly batches: readonly BatchView[];
  readonly failures: readonly FailureView[];
}

export interface FleetView {
  readonly name: string;
  readonly processes: number;
  readonly redisBytes: number;
  /** 0: no bound. */
  readonly redisMaxBytes: number;
  readonly trouble: string | undefined;
}

/** What is new since the last one, in the same words; `gone…` are the names of what is no longer there. */
export interface PageChange {
  readonly fleet?: FleetView;
  readonly tiers?: readonly TierView[];
  readonly goneTiers?: readonly string[];
  readonly batches?: readonly BatchView[];
  readonly goneBatches?: readonly string[];
  readonly failures?: readonly FailureView[];
  /** The newest point of the plots: a second, in calls, waiting. */
  readonly point?: Readonly<Record<string, readonly [number, number, number]>>;
}

export interface DashboardWatch {
  /** The state for one who begins to look, and from then on all changes, as the same text for all who look. */
  join(viewer: Viewer): Promise<void>;
  leave(viewer: Viewer): void;
  readonly viewers: number;
}

export interface Viewer {
  begin(state: PageState, history: TierHistory): void;
  change(text: string): void;
}

const tickEveryMs = 1_000;
/** Redis is away when it does not answer for so long. */
const patienceMs = 1_500;

/** Looks at the fleet once a second for all who look at the page; without any, only every few seconds for the plots. */
export function createDashboardWatch(context: ServeContext): DashboardWatch {
  const { fleet } = context;
  const look = createFleetLook(fleet);
  const failures = createFailureBook();
  const batches = watchBatches(context, failures);
  const viewTiers = createTierViews();
  const history = createTierHistory();
  const viewers = new Set<Viewer>();
  let reading: Promise<FleetSnapshot> | undefined;
  let last: FleetSnapshot | undefined;
  let state: PageState | undefined;
  let lookedMs = 0;
  let pointMs = 0;
  let looking: Promise<void> | undefined;
  let joining = 0;

  async function readFleet(): Promise<FleetSnapshot | undefined> {
    reading ??= look.read().finally(() => {
      reading = undefined;
    });
    const read = await Promise.race([reading.catch(() => undefined), sleep(patienceMs, undefined, { ref: false })]);
    if (read !== undefined) last = read;
    else if (last !== undefined) last = { ...last, trouble: fleet.redisTrouble() ?? "Redis does not answer" };
    return last;
  }

  async function lookOnce(): Promise<void> {
    const nowMs = Date.now();
    lookedMs = nowMs;
    const snapshot = await readFleet();
    if (snapshot === undefined) return;
    for (const failure of snapshot.failures.toReversed()) failures.note(failure);
    batches.refresh();
    const tiers = viewTiers(snapshot, batches.rowsByTier());
    const isPoint = nowMs - pointMs >= historyEveryMs - tickEveryMs / 2;
    if (isPoint) {
      pointMs = nowMs;
      history.add(tiers, nowMs);
    }
    if (viewers.size + joining === 0) return;
    const next = pageState(snapshot, tiers);
    const change = { ...changeBetween(state, next), ...(isPoint ? { point: pointOf(tiers) } : {}) };
    state = next;
    const text = JSON.stringify(change);
    if (text !== "{}") for (const viewer of viewers) viewer.change(text);
  }

  function pageState(snapshot: FleetSnapshot, tiers: readonly TierView[]): PageState {
    const { processes, redis, trouble } = snapshot;
    return {
      fleet: {
        name: context.config.fleet,
        processes,
        // To the tenth of a megabyte: it moves all the time.
        redisBytes: Math.round(redis.usedBytes / 1e5) * 1e5,
        redisMaxBytes: redis.maxBytes,
        trouble,
      },
      tiers,
      batches: batches.views(Date.now()),
      failures: failures.all(),
    };
  }

  function lookSoon(): Promise<void> {
    looking ??= lookOnce()
      .catch(() => {})
      .finally(() => {
        looking = undefined;
      });
    return looking;
  }

  const timer = setInterval(() => {
    // The server has left its fleet.
    if (fleet.redis.status === "end") return close();
    if (viewers.size > 0 || Date.now() - lookedMs >= historyEveryMs - tickEveryMs / 2) void lookSoon();
  }, tickEveryMs);
  timer.unref();

  function close(): void {
    clearInterval(timer);
    batches.close();
  }

  return {
    async join(viewer) {
      joining++;
      if (viewers.size === 0) {
        // One under way may not have known of anybody who looks.
        await looking;
        await lookSoon();
      }
      joining--;
      if (state !== undefined) viewer.begin(state, history.all());
      viewers.add(viewer);
    },
    leave: (viewer) => void viewers.delete(viewer),
    get viewers() {
      return viewers.size;
    },
  };
}

const pointOf = (tiers: readonly TierView[]): PageChange["point"] =>
  Object.fromEntries(
    tiers
      .filter(({ state }) => state !== "unused")
      .map(({ tier, perSecond, running, waiting }) => [tier, [perSecond, running, waiting]]),
  );

/** What a page that shows `before` must be told to show `after`. */
export function changeBetween(before: PageState | undefined, after: PageState): PageChange {
  const tiers = changesIn(before?.tiers ?? [], after.tiers, ({ tier }) => tier);
  const batches = changesIn(before?.batches ?? [], after.batches, ({ id }) => id);
  return {
    ...(isSame(before?.fleet, after.fleet) ? {} : { fleet: after.fleet }),
    ...(tiers.changed.length === 0 ? {} : { tiers: tiers.changed }),
    ...(tiers.gone.length === 0 ? {} : { goneTiers: tiers.gone }),
    ...(batches.changed.length === 0 ? {} : { batches: batches.changed }),
    ...(batches.gone.length === 0 ? {} : { goneBatches: batches.gone }),
    ...(isSame(before?.failures, after.failures) ? {} : { failures: after.failures }),
  };
}

function changesIn<One>(before: readonly One[], after: readonly One[], nameOf: (one: One) => string) {
  const known = new Map(before.map((one) => [nameOf(one), one]));
  const changed = after.filter((one) => !isSame(known.get(nameOf(one)), one));
  for (const one of after) known.delete(nameOf(one));
  return { changed, gone: [...known.keys()] };
}

const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
