import type { Redis } from "ioredis";
import { UserError } from "../job/errors.ts";
import type { FleetNames } from "./names.ts";

/** To be raised by a change after which an older process would misread what newer ones write, or they it. */
export const protocolVersion = 2;

/**
 * Agrees with the fleet on how it speaks. What is left of a fleet of another version in which nobody lives any more is
 * taken over: owners feed their windows anew.
 * @throws UserError when processes of another version live.
 */
export async function agreeOnProtocol(redis: Redis, names: FleetNames, processTimeoutMs: number): Promise<void> {
  const own = String(protocolVersion);
  const found = (await redis.set(names.protocol, own, "NX", "GET")) as string | null;
  if (found === null || found === own) return;
  const [seconds] = await redis.time();
  const living = await redis.zcount(names.processes, Number(seconds) * 1_000 - processTimeoutMs, "+inf");
  if (living > 0) {
    const older = Number(found) < protocolVersion ? "end its processes" : "upgrade this promptfleet";
    throw new UserError(
      `fleet ${names.fleet} speaks version ${found} of the protocol (${living} processes), this promptfleet speaks version ${own}; ${older}, or join another --fleet`,
    );
  }
  await redis.set(names.protocol, own);
}
