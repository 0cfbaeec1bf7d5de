import type { Fleet } from "./fleet.ts";
import { redisScript } from "./queue/redis-script.ts";
import { createCollector } from "./results/collect.ts";
import type { Recorded } from "./results/segments.ts";

export interface BatchCollecting {
  /** Rejects with what storing threw, or when another process owns the batch by now. */
  readonly done: Promise<void>;
  /** Begins again at the head of the stream: Redis came back as somebody else. */
  rewind(): void;
  /** Collects what is recorded, and ends. */
  finish(): Promise<void>;
}

/**
 * Takes the results of a batch with files out of its stream, from now on.
 * @param checkOwnership throws when another process owns the batch: asked when Redis refuses to trim.
 */
export function collectBatch(
  fleet: Fleet,
  batchId: string,
  epoch: () => number,
  store: (group: readonly Recorded[]) => Promise<void>,
  checkOwnership: () => Promise<void>,
  groupIntervalMs?: number,
): BatchCollecting {
  const keys = fleet.names.batch(batchId);
  const trimScript = redisScript(fleet.redis, new URL("./results/trim.lua", import.meta.url), 2);
  const blocking = fleet.connectBlocking("collector");
  const blockingId = blocking.client("ID");
  blockingId.catch(() => {});
  const collector = createCollector({
    blocking,
    stream: keys.results,
    store,
    groupIntervalMs,
    async trim(firstToKeep) {
      const trimmed = await trimScript([keys.batch, keys.results], [epoch(), firstToKeep]);
      if (trimmed !== 1 && fleet.incarnation() !== "") await checkOwnership();
    },
  });
  const done = collector.run();
  return {
    done,
    rewind: collector.rewind,
    async finish() {
      collector.finish();
      // It may be waiting for results that nobody is about to record.
      blockingId.then((id) => fleet.redis.client("UNBLOCK", id)).catch(() => {});
      await done.catch(() => {});
      blocking.disconnect();
    },
  };
}
