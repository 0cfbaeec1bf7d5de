import { adapters } from "../../workers/index.ts";
import { auditFolder, dataFolder, redisUrl, spendFolder } from "../config/environment.ts";
import { loadConfig } from "../config/load.ts";
import { type Fleet, joinFleet } from "../fleet.ts";
import { createForeignJobs, runInbox } from "../foreign-jobs.ts";
import { UserError } from "../job/errors.ts";
import { createLatencies } from "../job/latency.ts";
import { joinRedis } from "../join-redis.ts";
import { openLiveBatch } from "../live-batch.ts";
import { createRowPlanner } from "../plan-row.ts";
import { createRouter } from "../routing/choose-model.ts";
import { tierUsability } from "../routing/usable-tier.ts";
import type { WorkerMetrics } from "../serve/worker-metrics.ts";
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

const defaultGraceMs = 30_000;

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
  const dataDirectory = dataFolder(flags.dataDir);
  const redis = await joinRedis({ url: flags.redis, dataDirectory, trustedHosts: config.policy.trustedHosts });
  const latencies = createLatencies();
  const plan = createRowPlanner(createRouter(config, usable, {}, latencies), config, redis);
  const fleet: Fleet = await joinFleet({
    config,
    redis: redis.address,
    alone: redis.alone,
    replaceConfig: flags.replaceConfig,
    pullModels: flags.pull,
    latencies,
    auditDirectory: auditFolder(dataDirectory),
    ledgerDirectory: spendFolder(dataDirectory),
    noPrivateRows: redis.noPrivateRows,
    foreignJob: createForeignJobs(() => fleet, plan),
  });
  const graceMs = flags.grace ?? defaultGraceMs;
  const stopSaying = sayWaits(fleet, say);
  let metrics: WorkerMetrics | undefined;
  try {
    metrics = await serveMetrics(fleet, flags);
    for (const tier of tiers) await fleet.startPool(tier);
    const batch = await openLiveBatch(fleet, async () => {});
    const inbox = runInbox(fleet, batch, plan);
    const signals = listenForStop();
    if (metrics !== undefined) say(`metrics at ${metrics.url}/metrics`);
    say(`working ${tiers.join(", ")} of fleet ${config.fleet}; Ctrl-C finishes what is in flight and leaves`);
    await signals.first;
    const handBack = () => {
      for (const { pool } of fleet.pools()) pool.abort();
    };
    const graceEnd = setTimeout(handBack, graceMs);
    void signals.second.then(handBack);
    say(`stopping: what is in flight has ${graceMs / 1_000} s to end; a second signal hands it back at once`);
    await inbox.close();
    await fleet.leave(true);
    clearTimeout(graceEnd);
    await batch.close();
  } finally {
    stopSaying();
    metrics?.close();
    await fleet.close();
    await redis.leave();
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

function listenForStop(): { readonly first: Promise<void>; readonly second: Promise<void> } {
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let signals = 0;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => (++signals === 1 ? first : second).resolve());
  }
  return { first: first.promise, second: second.promise };
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
