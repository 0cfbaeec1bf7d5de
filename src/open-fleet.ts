import type { Adapter } from "../workers/adapter.ts";
import { adapters as builtIn } from "../workers/index.ts";
import type { Config } from "./config/config.ts";
import { auditFolder, spendFolder } from "./config/environment.ts";
import { type Fleet, joinFleet } from "./fleet.ts";
import { createForeignJobs } from "./foreign-jobs.ts";
import { createLatencies } from "./job/latency.ts";
import type { PromptRow } from "./job/row.ts";
import { joinRedis } from "./join-redis.ts";
import { createRowPlanner, type PlannedRow } from "./plan-row.ts";
import { createRouter } from "./routing/choose-model.ts";
import { type TierUsability, tierUsability } from "./routing/usable-tier.ts";

export interface OpenFleetOptions {
  readonly config: Config;
  /** URL of a shared Redis. Default: `REDIS_URL`, else the embedded one of the data directory. */
  readonly redis?: string | undefined;
  readonly dataDirectory: string;
  /** Audit and spend are kept in the data directory. Default true. */
  readonly keepsRecords?: boolean;
  readonly replaceConfig?: boolean;
  readonly pullModels?: boolean;
  /** A slot of each tier and a request of each limit are kept for online calls. Default false. */
  readonly servesOnline?: boolean;
  /** Adapters beside the built-in ones, by provider. */
  readonly adapters?: Partial<Record<string, Adapter>> | undefined;
  /** Which tiers rows may go to. Default: those with an adapter and a key here. */
  readonly usable?: ((tierName: string) => TierUsability) | undefined;
}

/** A joined fleet, and how this process routes rows into it. */
export interface OpenFleet {
  readonly fleet: Fleet;
  readonly plan: (row: PromptRow) => PlannedRow;
  /** Leaves Redis; the embedded one ends with its last user. The fleet itself is left before. */
  leaveRedis(): Promise<void>;
}

/** Joins (or starts) Redis, and joins the fleet there. */
export async function openFleet(options: OpenFleetOptions): Promise<OpenFleet> {
  const { config, dataDirectory, keepsRecords = true, servesOnline = false, adapters } = options;
  const latencies = createLatencies();
  const usable = options.usable ?? tierUsability(config, (provider) => Object.hasOwn(builtIn, provider));
  const redis = await joinRedis({ url: options.redis, dataDirectory, trustedHosts: config.policy.trustedHosts });
  try {
    const plan = createRowPlanner(createRouter(config, usable, {}, latencies), config, redis);
    const fleet: Fleet = await joinFleet({
      config,
      redis: redis.address,
      alone: redis.alone,
      replaceConfig: options.replaceConfig ?? false,
      pullModels: options.pullModels ?? false,
      latencies,
      auditDirectory: keepsRecords ? auditFolder(dataDirectory) : undefined,
      ledgerDirectory: keepsRecords ? spendFolder(dataDirectory) : undefined,
      noPrivateRows: redis.noPrivateRows,
      servesOnline,
      foreignJob: createForeignJobs(() => fleet, plan),
      ...(adapters === undefined ? {} : { adapters }),
    });
    return { fleet, plan, leaveRedis: () => redis.leave() };
  } catch (error) {
    await redis.leave();
    throw error;
  }
}
