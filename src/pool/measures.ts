import type { Redis } from "ioredis";
import type { Config } from "../config/config.ts";
import type { EndedCall } from "../job/ended-call.ts";
import type { Latencies } from "../job/latency.ts";
import { createMeter, type Meter } from "../job/meter.ts";
import type { FleetNames } from "../queue/names.ts";
import type { WindowOfTier } from "./process-notice.ts";
import { shareLatencies } from "./share-latencies.ts";
import { shareMetrics } from "./share-metrics.ts";

/** What a process measures, and tells its fleet with each heartbeat. */
export interface Measures {
  readonly meter: Meter;
  /** To be told of each call. */
  callEnded(call: EndedCall): void;
  /** Counts these rows among those of this process, until what it returns is called. */
  showWindows(all: () => readonly WindowOfTier[]): () => void;
  windows(): readonly WindowOfTier[];
  share(): Promise<void>;
}

/** @param trace told of each call, too. */
export function createMeasures(
  redis: Redis,
  names: FleetNames,
  config: Config,
  latencies: Latencies,
  trace?: (call: EndedCall) => void,
): Measures {
  const meter = createMeter({ models: Object.keys(config.models), tasks: Object.keys(config.tasks) });
  const shares = [shareLatencies(redis, names, latencies), shareMetrics(redis, names, meter)];
  const shown = new Set<() => readonly WindowOfTier[]>();
  return {
    meter,
    callEnded(call) {
      meter.callEnded(call);
      trace?.(call);
    },
    showWindows(all) {
      shown.add(all);
      return () => void shown.delete(all);
    },
    windows: () => [...shown].flatMap((all) => all()),
    async share() {
      await Promise.all(shares.map((share) => share()));
    },
  };
}
