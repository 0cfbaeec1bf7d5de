import type { SizeNotice } from "./divide-size.ts";
import { type Membership, shareOf } from "./membership.ts";
import type { RunningPool } from "./run-pool.ts";

/** Gives each pool of this process its part of the tier's calls, by who lived and what was said at the last heartbeat. */
export function dividePools(processId: string, membership: Membership, pools: ReadonlyMap<string, RunningPool>): void {
  for (const [tier, running] of pools) {
    running.setShare(shareOf(processId, membership.membersOf(tier), running.pool.sizes.divisible));
    running.pool.sizes.divide(processId, membership.noticesOf(tier));
  }
}

/** What this process says with its heartbeat: the tiers that it works, and the sizes of their endpoints. */
export function noticesOf(pools: ReadonlyMap<string, RunningPool>): ReadonlyMap<string, readonly SizeNotice[]> {
  return new Map([...pools].map(([tier, running]) => [tier, running.pool.sizes.notices()]));
}
