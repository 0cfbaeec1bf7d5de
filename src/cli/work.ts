import { adapters } from "../../workers/index.ts";
import { dataFolder, redisUrl } from "../config/environment.ts";
import { loadConfig } from "../config/load.ts";
import type { Fleet } from "../fleet.ts";
import { runInbox } from "../foreign-jobs.ts";
import { UserError } from "../job/errors.ts";
import { openLiveBatch } from "../live-batch.ts";
import { openFleet } from "../open-fleet.ts";
import { tierUsability } from "../routing/usable-tier.ts";
import type { WorkerMetrics } from "../serve/worker-metrics.ts";
import { say } from "./say.ts";
import { untilStopped } from "./stop-signals.ts";
import { sayWaits } from "./work-waits.ts";

export interface WorkFlags {
  readonly tiers?: readonly string[];
  readonly config?: string;
  readonly replaceConfig: boolean;
  readonly pull: boolean;
  readonly fleet?: string;
  readonly concurrency: Readonly<Record<string, number>>;
  readonly redis?: string;
  readonly dataDir?: string;
  /** How long what is in flight may take to end when it is told to stop, in ms. Default 30 s. */
  readonly grace?: number;
  readonly metricsPort?: number;
  readonly metricsHost: string;
}

/**
 * `promptfleet work`: pools only, until SIGINT or SIGTERM. What is in flight then is finished first; what is left when its
 * time is over, or at a second signal, is handed back without an attempt being counted.
 */
export async function work(flags: WorkFlags): Promise<number> {
  if (redisUrl(flags.redis) === undefined && flags.dataDir === undefined) {
    throw new UserError("expected the fleet's Redis: --redis URL, REDIS_URL, or --data-dir of the runs to help");
  }
  const config = await loadConfig({ configPath: flags.config, fleet: flags.fleet, concurrency: flags.concurrency });
  const usable = tierUsability(config, (provider) => Object.hasOwn(adapters, provider));
  const tiers = chooseTiers(flags.tiers, Object.keys(config.tiers), usable);
  const { fleet, plan, leaveRedis } = await openFleet({
    config,
    redis: flags.redis,
    dataDirectory: dataFolder(flags.dataDir),
    replaceConfig: flags.replaceConfig,
    pullModels: flags.pull,
    usable,
  });
  const stopSaying = sayWaits(fleet, say);
  let metrics: WorkerMetrics | undefined;
  try {
    metrics = await serveMetrics(fleet, flags);
    for (const tier of tiers) await fleet.startPool(tier);
    const batch = await openLiveBatch(fleet, async () => {});
    const inbox = runInbox(fleet, batch, plan);
    const stopped = untilStopped(flags.grace, () => {
      for (const { pool } of fleet.pools()) pool.abort();
    });
    if (metrics !== undefined) say(`metrics at ${metrics.url}/metrics`);
    say(`working ${tiers.join(", ")} of fleet ${config.fleet}; Ctrl-C finishes what is in flight and leaves`);
    const endGrace = await stopped;
    await inbox.close();
    await fleet.leave(true);
    await batch.close();
    endGrace();
  } finally {
    stopSaying();
    metrics?.close();
    await fleet.close();
    await leaveRedis();
  }
  return 0;
}

/** Its package is loaded only where it is asked for. */
async function serveMetrics(fleet: Fleet, { metricsPort, metricsHost }: WorkFlags): Promise<WorkerMetrics | undefined> {
  if (metricsPort === undefined) return undefined;
  const { serveWorkerMetrics } = await import("../serve/worker-metrics.ts");
  return serveWorkerMetrics(fleet, { host: metricsHost, port: metricsPort });
}

function chooseTiers(
  wanted: readonly string[] | undefined,
  known: readonly string[],
  usable: ReturnType<typeof tierUsability>,
): string[] {
  for (const tier of wanted ?? []) {
    const usability = usable(tier);
    if (!usability.usable) throw new UserError(`cannot work tier ${tier}: ${usability.reason}`);
  }
  const tiers = [...(wanted ?? known.filter((tier) => usable(tier).usable))];
  if (tiers.length === 0)
    throw new UserError("no tier of the config has an adapter and a key here; see --tiers and --config");
  return tiers;
}
