import { findExecutable, readVariable, redisUrl } from "./config/environment.ts";
import { hostOf, isTrustedHost } from "./config/host-location.ts";
import { networkDiskOf } from "./config/network-disk.ts";
import { UserError } from "./job/errors.ts";
import type { RedisAddress } from "./queue/connection.ts";
import { joinEmbeddedRedis } from "./queue/embedded-redis.ts";
import { chooseRedisBinary, type RedisBinary } from "./queue/redis-binary.ts";

export interface JoinedRedis {
  readonly address: RedisAddress;
  /** No other living process uses it. */
  readonly alone: boolean;
  readonly notice?: string;
  /** Why private rows may not go through it. */
  readonly noPrivateRows: string | undefined;
  leave(): Promise<void>;
}

/**
 * Loads no Redis client for the embedded one, so that the server starts while the caller loads the rest of the program.
 * The Redis of the flag or of REDIS_URL, else the embedded one of the data directory.
 * @throws UserError when it cannot carry a fleet, or no redis-server is to be found.
 */
export async function joinRedis(where: {
  readonly url: string | undefined;
  readonly dataDirectory: string;
  /** Those of the config's policy, where rows are queued. Default: none. */
  readonly trustedHosts?: readonly string[];
}): Promise<JoinedRedis> {
  const url = redisUrl(where.url);
  if (url !== undefined) {
    const { checkRedis } = await import("./queue/connection.ts");
    const { mayHoldPrivateRows, whyNoPrivateRows } = await import("./queue/redis-location.ts");
    await checkRedis({ url });
    const { trustedHosts = [] } = where;
    const noPrivateRows = await whyNoPrivateRows({ url }, trustedHosts);
    const mayConnectTo = (address: string) => mayHoldPrivateRows(address, trustedHosts);
    const staysLocal = noPrivateRows === undefined && !isTrustedHost(hostOf(url), trustedHosts);
    return {
      address: staysLocal ? { url, mayConnectTo } : { url },
      alone: false,
      noPrivateRows,
      leave: async () => {},
    };
  }
  refuseNetworkDisk(where.dataDirectory);
  const embedded = await joinEmbeddedRedis(where.dataDirectory, await findRedisBinary());
  return { ...embedded, alone: embedded.joinedAlone, noPrivateRows: undefined };
}

/**
 * Who uses an embedded Redis stands in its folder. Over a network that is seen late, or, of a machine of the same name,
 * not at all: two servers would write one append-only file. Sockets and file locks work on some of them only.
 * @throws UserError
 */
export function refuseNetworkDisk(dataDirectory: string, disk = networkDiskOf(dataDirectory)): void {
  if (disk === undefined) return;
  throw new UserError(
    `the data directory ${dataDirectory} is on a network file system (${disk.type} at ${disk.mountPoint}), and the embedded Redis needs a disk of this machine, which no other can write to; give a folder there by --data-dir or PROMPTFLEET_DATA_DIR, or your own Redis by --redis (inputs, outputs and all else may stay)`,
  );
}

/** The redis-server that an embedded one would be. @throws UserError when there is none that can. */
export function findRedisBinary(): Promise<RedisBinary> {
  const candidates = [
    readVariable("PROMPTFLEET_REDIS_SERVER"),
    findExecutable("redis-server"),
    findExecutable("valkey-server"),
  ].filter((path) => path !== undefined);
  return chooseRedisBinary(candidates);
}
