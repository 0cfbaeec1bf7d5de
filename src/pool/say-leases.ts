import type { Redis } from "ioredis";
import type { FleetNames } from "../queue/names.ts";
import type { RunningPool } from "./run-pool.ts";

/**
 * Tells the fleet how many calls this process holds of each tier where they are counted; at each heartbeat, as Redis may
 * have lost it, and what is settled while it is away is told it late.
 */
export function sayLeases(
  redis: Redis,
  names: FleetNames,
  processId: string,
  pools: ReadonlyMap<string, RunningPool>,
): void {
  for (const [tier, { pool }] of pools) {
    const held = pool.pace.held();
    if (held !== undefined) redis.hset(names.leases(tier), processId, held).catch(() => {});
  }
}
