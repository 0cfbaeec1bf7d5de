/** What a Redis says of itself, as far as a fleet cares. */
export interface RedisFacts {
  readonly name: "Redis" | "Valkey";
  readonly version: string;
  readonly persistence: "append-only file" | "snapshots" | "none";
  readonly evictionPolicy: string;
  readonly usedMemoryBytes: number;
}

/** Reads the reply to INFO. @param savePoints the reply to CONFIG GET save, "" where there are none. */
export function readRedisFacts(info: string, savePoints: string): RedisFacts {
  const field = (name: string): string | undefined => new RegExp(`^${name}:(\\S+)`, "m").exec(info)?.[1];
  const valkey = field("valkey_version");
  return {
    name: valkey === undefined ? "Redis" : "Valkey",
    version: valkey ?? field("redis_version") ?? "unknown",
    persistence: field("aof_enabled") === "1" ? "append-only file" : savePoints === "" ? "none" : "snapshots",
    evictionPolicy: field("maxmemory_policy") ?? "noeviction",
    usedMemoryBytes: Number(field("used_memory") ?? 0),
  };
}
