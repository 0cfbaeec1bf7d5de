import { type Membership, shareOf } from "./membership.ts";
import type { RunningPool } from "./run-pool.ts";

/** Gives each pool of this process its part of the tier's calls, by who lived and what was said at the last heartbeat. */
export function dividePools(processId: string, membership: Membership, pools: ReadonlyMap<string, RunningPool>): void {
  for (const [tier, running] of pools) {
    running.setShare(shareOf(processId, membership.membersOf(tier), running.pool.sizes.divisible));
    running.pool.sizes.divide(processId, membership.sizesOf(tier));
  }
}
