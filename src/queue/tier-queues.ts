import { Queue, type Telemetry } from "bullmq";
import type { Redis } from "ioredis";
import type { FleetNames } from "./names.ts";

export interface TierQueues {
  of(queueName: string): Queue;
  /**
   * To be called now and then: BullMQ delays jobs until a time by our clock, which one that is set back reaches only
   * that much later. Then all of them come at once, and the gate tells them again how long they wait.
   */
  noteClock(): Promise<void>;
  close(): Promise<void>;
}

/** Less than that is a clock that is kept right, and nobody minds. */
const setBackMs = 1_000;

/**
 * BullMQ's queues of a fleet, opened when first used, on one shared connection.
 * @param telemetry where it tells what it does; a queue's workers take it from the queue.
 */
export function openTierQueues(connection: Redis, names: FleetNames, telemetry?: Telemetry): TierQueues {
  const queues = new Map<string, Queue>();
  const clockAheadMs = () => Date.now() - performance.now();
  let aheadMs = clockAheadMs();
  return {
    of(queueName) {
      let queue = queues.get(queueName);
      if (queue === undefined) {
        queue = new Queue(queueName, {
          connection,
          prefix: names.queuePrefix,
          ...(telemetry === undefined ? {} : { telemetry }),
          // BullMQ keeps 10,000 events a queue by default, several MB; Bull Board reads none of them.
          streams: { events: { maxLen: 500 } },
        });
        queue.on("error", () => {});
        queues.set(queueName, queue);
      }
      return queue;
    },
    async noteClock() {
      const beforeMs = aheadMs;
      aheadMs = clockAheadMs();
      if (aheadMs < beforeMs - setBackMs) await Promise.all([...queues.values()].map((queue) => queue.promoteJobs()));
    },
    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
    },
  };
}
