import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { Settlement } from "../job/batch.ts";
import { coalesce } from "../queue/coalesce.ts";
import type { FleetNames } from "../queue/names.ts";
import { redisScript } from "../queue/redis-script.ts";
import { correctionsOf, nanoUsdOf, settleScript } from "./record-once.ts";

export interface TurnSettler {
  /** Settles a call ("PROCESS NUMBER") that no batch holds. Nobody waits for it: Redis is told until it knows. */
  settle(call: string, settlement: Settlement): void;
  /** Resolves when all is settled; it waits for a moment only, as what stays open counts as spent. */
  settled(): Promise<void>;
}

const longestWaitMs = 1_000;

export function createTurnSettler(
  redis: Redis,
  names: FleetNames,
  processId: string,
  onTrouble: (reason: string | undefined) => void,
): TurnSettler {
  const script = redisScript(redis, new URL("./settle-turn.lua", import.meta.url), 4, [settleScript]);
  const open = new Set<Promise<unknown>>();
  const send = coalesce<Settlement, unknown>(async (call, settlements) => {
    const [one] = settlements as [Settlement];
    const args = [processId, one.held?.() ?? "", call, correctionsOf(one), nanoUsdOf(one)];
    return [await script(names.ofTurns(one), args)];
  }, onTrouble);
  return {
    settle(call, settlement) {
      const settling = send(call, settlement)
        .catch(() => {})
        .finally(() => open.delete(settling));
      open.add(settling);
    },
    async settled() {
      if (open.size === 0) return;
      await Promise.race([Promise.all(open), sleep(longestWaitMs, undefined, { ref: false })]);
    },
  };
}
