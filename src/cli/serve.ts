import { dataFolder } from "../config/environment.ts";
import { loadConfig } from "../config/load.ts";
import { joinRedis } from "../join-redis.ts";
import { startServer } from "../serve/server.ts";
import { say } from "./say.ts";
import { untilStopped } from "./stop-signals.ts";

export interface ServeFlags {
  readonly host: string;
  readonly port: number;
  readonly config?: string;
  readonly replaceConfig: boolean;
  readonly pull: boolean;
  readonly fleet?: string;
  readonly concurrency: Readonly<Record<string, number>>;
  readonly redis?: string;
  readonly dataDir?: string;
  readonly pools: boolean;
  /** How long what is in flight may take to end when it is told to stop, in ms. Default 30 s. */
  readonly grace?: number;
}

/** While it stops, and cannot. */
const sayEveryMs = 10_000;

/** `promptfleet serve`: the batch server, until SIGINT or SIGTERM. Batches that have not ended then go on at its next start. */
export async function serve(flags: ServeFlags): Promise<number> {
  const config = await loadConfig({ configPath: flags.config, fleet: flags.fleet, concurrency: flags.concurrency });
  const dataDirectory = dataFolder(flags.dataDir);
  const redis = await joinRedis({ url: flags.redis, dataDirectory, trustedHosts: config.policy.trustedHosts });
  try {
    if (redis.notice !== undefined) say(redis.notice);
    const server = await startServer({
      config,
      redis,
      dataDirectory,
      host: flags.host,
      port: flags.port,
      withPools: flags.pools,
      replaceConfig: flags.replaceConfig,
      pullModels: flags.pull,
      onNotice: say,
    });
    const stopped = untilStopped(flags.grace, () => server.handBack());
    const working = server.tiers.length === 0 ? "without pools of its own" : `working ${server.tiers.join(", ")}`;
    say(`serving fleet ${config.fleet} at ${server.url}, ${working}`);
    const endGrace = await stopped;
    const saying = setInterval(() => {
      const trouble = server.context.fleet.redisTrouble();
      if (trouble !== undefined) say(`waits to put on record what was answered: ${trouble}`);
    }, sayEveryMs);
    await server.stop().finally(() => clearInterval(saying));
    endGrace();
  } finally {
    await redis.leave();
  }
  return 0;
}
