import { mkdirSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { adapters } from "../../workers/index.ts";
import type { Config } from "../config/config.ts";
import { auditFolder, spendFolder } from "../config/environment.ts";
import { type Fleet, joinFleet } from "../fleet.ts";
import { createForeignJobs, runInbox } from "../foreign-jobs.ts";
import { createLatencies } from "../job/latency.ts";
import type { JoinedRedis } from "../join-redis.ts";
import { openLiveBatch } from "../live-batch.ts";
import { tierUsability } from "../routing/usable-tier.ts";
import { assertMayListen, readAccess } from "./access.ts";
import { createApp } from "./app.ts";
import { serverOptions } from "./bodies.ts";
import type { ServeContext } from "./context.ts";
import { listen } from "./listen.ts";
import { type OpenBatches, openBatches } from "./open-batches.ts";
import { openFiles } from "./open-files.ts";
import { startRetention } from "./retention.ts";
import { createServedLines } from "./served-lines.ts";
import { openWebhooks, type Webhooks } from "./webhooks.ts";

export interface ServerOptions {
  readonly config: Config;
  readonly redis: Pick<JoinedRedis, "address" | "alone" | "noPrivateRows">;
  readonly dataDirectory: string;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** False: it feeds and collects, other processes ask. */
  readonly withPools: boolean;
  readonly replaceConfig: boolean;
  readonly pullModels: boolean;
  readonly onNotice: (line: string) => void;
}

export interface RunningServer {
  readonly url: string;
  readonly context: ServeContext;
  /** Tiers whose pools run here. */
  readonly tiers: readonly string[];
  /** Stops accepting, finishes what is in flight, leaves batches resumable. */
  stop(): Promise<void>;
  /** Hands back what is in flight, so that a stop under way ends soon. */
  handBack(): void;
}

/** A server with all that is behind it. The caller leaves Redis when it has stopped. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { config, redis, dataDirectory, withPools } = options;
  const access = await readAccess(config);
  assertMayListen(options.host, access);
  const usableHere = tierUsability(config, (provider) => Object.hasOwn(adapters, provider));
  const usable = withPools ? usableHere : () => ({ usable: true }) as const;
  const latencies = createLatencies();
  const lines = createServedLines(config, usable, latencies, redis.noPrivateRows);
  const fleet: Fleet = await joinFleet({
    config,
    redis: redis.address,
    alone: redis.alone,
    replaceConfig: options.replaceConfig,
    pullModels: options.pullModels,
    latencies,
    servesOnline: true,
    worksQueues: withPools,
    auditDirectory: auditFolder(dataDirectory),
    ledgerDirectory: spendFolder(dataDirectory),
    noPrivateRows: redis.noPrivateRows,
    foreignJob: createForeignJobs(() => fleet, lines.plan),
  });
  const tiers = withPools ? Object.keys(config.tiers).filter((tier) => usableHere(tier).usable) : [];
  for (const tier of tiers) await fleet.startPool(tier);
  const live = await openLiveBatch(fleet, async () => {});
  const inbox = withPools ? runInbox(fleet, live, lines.plan) : undefined;

  const directory = join(dataDirectory, "serve");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  let batches: OpenBatches | undefined;
  const files = openFiles(join(directory, "files"), {
    maxFileBytes: config.serve.limits.maxFileBytes,
    readerOf: (id) => batches?.readerOf(id),
  });
  batches = openBatches({
    config,
    fleet,
    files,
    lines,
    directory: join(directory, "batches"),
    withPools,
    onTrouble: options.onNotice,
  });
  const context: ServeContext = { config, fleet, access, files, batches, directory };
  const opened = batches;
  const { retentionMs } = config.serve;
  const retention = startRetention({ batches, files, retentionMs, onNotice: options.onNotice });
  let webhooks: Webhooks | undefined;

  async function close(): Promise<void> {
    retention.close();
    opened.stopFeeding();
    await inbox?.close();
    await fleet.leave(true);
    await opened.close();
    await webhooks?.close();
    await live.close();
    files.close();
    await fleet.close();
  }

  let http: Server;
  let url: string;
  try {
    webhooks = await openWebhooks(context, { onNotice: options.onNotice });
    http = createServer(serverOptions, createApp(context));
    url = await listen(http, options, "choose another --port");
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url,
    context,
    tiers,
    async stop() {
      const closed = new Promise((resolve) => http.close(resolve));
      http.closeIdleConnections();
      await close();
      http.closeAllConnections();
      await closed;
    },
    handBack() {
      for (const { pool } of fleet.pools()) pool.abort();
    },
  };
}
