import type { Redis } from "ioredis";

/** At this share of Redis' maxmemory nothing more is fed; records, which free memory, go on. */
const fullestToFeed = 0.8;

export interface MemoryWatch {
  /** Looks at how full Redis is; to be called now and then. */
  look(): Promise<void>;
  /** Why nothing may be fed for now; undefined when there is room. */
  tooFull(): string | undefined;
}

export function watchMemory(redis: Redis): MemoryWatch {
  let reason: string | undefined;
  return {
    async look() {
      const info = await redis.info("memory");
      const bytesOf = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, "m").exec(info)?.[1] ?? 0);
      const [used, most] = [bytesOf("used_memory"), bytesOf("maxmemory")];
      const share = most === 0 ? 0 : used / most;
      reason =
        share < fullestToFeed
          ? undefined
          : `Redis is at ${Math.round(100 * share)} % of its maxmemory (${megabytes(most)} MB): nothing more is fed until it is below ${100 * fullestToFeed} %`;
    },
    tooFull: () => reason,
  };
}

const megabytes = (bytes: number): number => Math.round(bytes / 1024 ** 2);
