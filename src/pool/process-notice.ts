import type { SizeNotice } from "./divide-size.ts";
import type { RowFailure } from "./recent-failures.ts";
import type { RunningPool } from "./run-pool.ts";
import type { WaitKind } from "./wait-kind.ts";

/** What a process says of itself with each heartbeat. */
export interface ProcessNotice {
  readonly tiers: Readonly<Record<string, TierNotice>>;
  /** Of rows that are not private, newest last. */
  readonly failures: readonly RowFailure[];
  /** Rows of the batches that it owns, by tier. */
  readonly rows: Readonly<Record<string, RowsOfTier>>;
}

export interface RowsOfTier {
  /** In Redis: without a result on disk. */
  readonly fed: number;
  /** On disk, until Redis has room. */
  readonly parked: number;
}

/** Rows of one batch for one tier; "" holds those that are not asked. */
export interface WindowOfTier {
  readonly tier: string;
  readonly rows: number;
  readonly parked: number;
}

/** The tier as that process works it. */
export interface TierNotice {
  /** Of its endpoints, in the order of their URLs; empty where sizes are fixed. */
  readonly sizes: readonly SizeNotice[];
  readonly running: number;
  /** Calls that may run there at once; what was found so far, where that is to be found. */
  readonly slots: number;
  /** Calls that ended so, since the process began. */
  readonly answered: number;
  readonly erred: number;
  readonly endpoints: number;
  /** Of these, whose breaker is not closed. */
  readonly endpointsDown: number;
  /** Why it waits. */
  readonly reason?: string;
  readonly reasonKind?: WaitKind;
}

export function noticeOf(
  pools: ReadonlyMap<string, RunningPool>,
  failures: readonly RowFailure[],
  windows: readonly WindowOfTier[],
): ProcessNotice {
  const worked = [...pools].filter(([, { worksQueue }]) => worksQueue);
  return {
    tiers: Object.fromEntries(worked.map(([tier, running]) => [tier, tierNotice(running)])),
    failures,
    rows: rowsByTier(windows),
  };
}

function rowsByTier(windows: readonly WindowOfTier[]): Record<string, RowsOfTier> {
  const sums: Record<string, RowsOfTier> = {};
  for (const { tier, rows, parked } of windows) {
    if (tier === "") continue;
    const before = sums[tier] ?? { fed: 0, parked: 0 };
    sums[tier] = { fed: before.fed + rows, parked: before.parked + parked };
  }
  return sums;
}

function tierNotice({ pool, slots, waitReason }: RunningPool): TierNotice {
  const reason = waitReason();
  const reasonKind = pool.waitKind();
  return {
    sizes: pool.sizes.notices(),
    running: pool.inFlight(),
    slots: slots(),
    ...pool.callsEnded(),
    ...pool.endpointsUp(),
    ...(reason === undefined ? {} : { reason }),
    ...(reasonKind === undefined ? {} : { reasonKind }),
  };
}
