import type { SizeNotice } from "./divide-size.ts";
import type { RowFailure } from "./recent-failures.ts";
import type { RunningPool } from "./run-pool.ts";

/** What a process says of itself with each heartbeat. */
export interface ProcessNotice {
  readonly tiers: Readonly<Record<string, TierNotice>>;
  /** Of rows that are not private, newest last. */
  readonly failures: readonly RowFailure[];
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
}

export function noticeOf(pools: ReadonlyMap<string, RunningPool>, failures: readonly RowFailure[]): ProcessNotice {
  return { tiers: Object.fromEntries([...pools].map(([tier, running]) => [tier, tierNotice(running)])), failures };
}

function tierNotice({ pool, slots }: RunningPool): TierNotice {
  const reason = pool.waitReason();
  return {
    sizes: pool.sizes.notices(),
    running: pool.inFlight(),
    slots: slots(),
    ...pool.callsEnded(),
    ...pool.endpointsUp(),
    ...(reason === undefined ? {} : { reason }),
  };
}
