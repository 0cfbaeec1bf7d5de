import type { RunningPool } from "./run-pool.ts";
import type { TierPool } from "./tier-pool.ts";

/**
 * A tier as a process has it that asks online calls and leaves the rows to others: it takes no share of the tier's calls
 * from them. Where these are counted over all processes its own are, too; where their number is fixed it makes one at a
 * time beside them, the slot that is kept for online calls.
 */
export function runBesideQueue(pool: TierPool): RunningPool {
  const { concurrency, maxConcurrency } = pool.tier;
  if (concurrency !== "auto" && maxConcurrency === undefined) pool.setLimit(1);
  return {
    pool,
    worksQueue: false,
    slots: () => 0,
    waitReason: pool.waitReason,
    waitReasonHere: pool.waitReason,
    setShare: () => {},
    applyCapacity: () => {},
    async drain() {
      pool.turnAway();
      await pool.close();
    },
    async stopNow() {
      pool.abort();
      await pool.close();
    },
  };
}
