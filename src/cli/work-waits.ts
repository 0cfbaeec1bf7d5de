import type { Fleet } from "../fleet.ts";
import { processTimeoutMs } from "../job/heartbeat.ts";
import { findSilentOwners } from "../queue/silent-owners.ts";

const lookEveryMs = 1_000;
/** Owners are looked for less often, as that asks Redis. */
const ownersEveryMs = 5_000;

/** Says on one line each why a process that only works waits, when that changes. Returns what ends it. */
export function sayWaits(fleet: Fleet, say: (line: string) => void): () => void {
  let said = "";
  let silentOwners: readonly string[] = [];

  function look(): void {
    const tiers = fleet.pools().flatMap(({ pool, waitReasonHere }) => {
      const reason = waitReasonHere();
      return reason === undefined ? [] : [`${pool.tier.name} waits: ${reason}`];
    });
    const trouble = fleet.redisTrouble();
    const waits = [...tiers, ...(trouble === undefined ? silentOwners : [`waits: ${trouble}`])].join(" · ");
    if (waits === said) return;
    said = waits;
    say(waits === "" ? "goes on" : waits);
  }

  async function lookForOwners(): Promise<void> {
    if (fleet.redisTrouble() !== undefined) return;
    const silent = await findSilentOwners(fleet.redis, fleet.names, processTimeoutMs);
    silentOwners = silent.flatMap(({ batchId, pid, host }) =>
      host === undefined
        ? []
        : [
            `batch ${batchId} waits: its owner (process ${pid} on ${host}) is silent; if it has ended, run its command again`,
          ],
    );
  }

  const timers = [
    setInterval(look, lookEveryMs),
    setInterval(() => void lookForOwners().catch(() => {}), ownersEveryMs),
  ];
  return () => timers.forEach((timer) => void clearInterval(timer));
}
