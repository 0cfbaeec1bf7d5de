import { Redis } from "ioredis";

/** What a redis-server used between its start and the last look at it. */
export interface RedisMeasure {
  /** User and system time, that of its children (rewrites of the append-only file) included. */
  readonly cpuMs: number;
  /** Highest `used_memory`. */
  readonly peakMb: number;
  /** Highest resident memory seen. */
  readonly peakRssMb: number;
  readonly version: string;
}

const lookEveryMs = 50;

/**
 * Looks at the redis-server of a unix socket until `stop()`, from before the server is there until after it has gone:
 * the embedded one lives only as long as its run, so the last look may miss its last 50 ms.
 */
export function watchRedis(socketPath: string): { stop(): Promise<RedisMeasure> } {
  const redis = new Redis(socketPath, {
    connectionName: "bench",
    retryStrategy: () => 20,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
  });
  redis.on("error", () => {});
  let measure: RedisMeasure = { cpuMs: 0, peakMb: 0, peakRssMb: 0, version: "" };
  let looking: Promise<void> | undefined;

  async function look(): Promise<void> {
    const info = await redis.info("server", "cpu", "memory").catch(() => "");
    if (info === "") return;
    const numberOf = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(info)?.[1] ?? 0);
    const cpuSeconds = ["used_cpu_user", "used_cpu_sys", "used_cpu_user_children", "used_cpu_sys_children"];
    measure = {
      cpuMs: 1_000 * cpuSeconds.reduce((sum, name) => sum + numberOf(name), 0),
      peakMb: numberOf("used_memory_peak") / 1024 ** 2,
      peakRssMb: Math.max(measure.peakRssMb, numberOf("used_memory_rss") / 1024 ** 2),
      version: /^(?:valkey|redis)_version:(\S+)/m.exec(info)?.[1] ?? "",
    };
  }

  const timer = setInterval(() => {
    if (looking !== undefined || redis.status !== "ready") return;
    looking = look().finally(() => {
      looking = undefined;
    });
  }, lookEveryMs);

  return {
    async stop() {
      clearInterval(timer);
      await looking;
      if (redis.status === "ready") await look();
      redis.disconnect();
      return measure;
    },
  };
}
