import type { Redis } from "ioredis";
import type { TierConfig } from "../config/config.ts";
import { UserError } from "../job/errors.ts";
import type { FleetNames } from "../queue/names.ts";

/**
 * Says how this process defines a tier.
 * @param isWorkedElsewhere other living processes work it.
 * @throws UserError when these define it otherwise.
 */
export async function announceTier(
  redis: Redis,
  names: FleetNames,
  { name, provider, baseUrls, location }: TierConfig,
  isWorkedElsewhere: boolean,
  replaceConfig: boolean,
): Promise<void> {
  const definition = JSON.stringify({ provider, baseUrls, location });
  const known = await redis.hget(names.tierDefinitions, name);
  if (known !== null && known !== definition && isWorkedElsewhere && !replaceConfig) {
    throw new UserError(
      `tier ${name} is worked by another process of fleet ${names.fleet} as ${known}, here it is ${definition}; use the same definition, another --fleet or --data-dir, or --replace-config to announce a change`,
    );
  }
  await redis.hset(names.tierDefinitions, name, definition);
}
