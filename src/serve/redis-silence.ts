import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet } from "../fleet.ts";

/** Redis answers within that, or counts as away. */
const patienceMs = 2_000;

/** Why Redis is of no use now, also where it keeps its connections and says nothing. Asks it once for all who ask at a time. */
export function createRedisCheck(fleet: Pick<Fleet, "redis" | "redisTrouble">): () => Promise<string | undefined> {
  let asking: Promise<string | undefined> | undefined;

  async function ask(): Promise<string | undefined> {
    const answer = fleet.redis.ping().then(
      () => undefined,
      () => "Redis does not answer",
    );
    return Promise.race([answer, sleep(patienceMs, "Redis does not answer", { ref: false })]);
  }

  return async () => {
    const trouble = fleet.redisTrouble();
    if (trouble !== undefined) return trouble;
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}
