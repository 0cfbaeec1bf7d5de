import type { Redis } from "ioredis";
import type { Config } from "../config/config.ts";
import { quotaScopeOf } from "../config/limits.ts";
import type { FleetNames } from "../queue/names.ts";
import { redisScript } from "../queue/redis-script.ts";

/** Longer than any wait of a call that has its turn, and than a process may be silent. */
const keptForMs = 120_000;

/** Keeps a request of every limit of a config for online calls; to be said again at each heartbeat. */
export function createRequestKeeper(redis: Redis, names: FleetNames, { models, tiers }: Config): () => void {
  const script = redisScript(redis, new URL("./keep-requests.lua", import.meta.url), 1);
  const scopes = new Set(Object.values(models).flatMap((model) => quotaScopeOf(tiers[model.tier], model)?.name ?? []));
  return () => {
    for (const scope of scopes) script([names.pace(scope)], [keptForMs]).catch(() => {});
  };
}
