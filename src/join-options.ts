import type { Adapter } from "../workers/adapter.ts";
import type { Config } from "./config/config.ts";
import type { Latencies } from "./job/latency.ts";
import type { ForeignJob } from "./pool/run-pool.ts";
import type { RedisAddress } from "./queue/connection.ts";

/** How a process takes part in a fleet. */
export interface JoinOptions {
  readonly config: Config;
  readonly redis: RedisAddress;
  /** What to do with jobs that carry their own prompt. */
  readonly foreignJob: ForeignJob;
  /** Adapters beside the built-in ones, by provider. */
  readonly adapters?: Partial<Record<string, Adapter>>;
  /** This Redis has no other living user: what is in flight there was a dead process'. Default false. */
  readonly alone?: boolean;
  readonly replaceConfig?: boolean;
  /** Models that are missing are fetched by servers that can. Default false. */
  readonly pullModels?: boolean;
  /** Where what is measured is kept, and what routes go by. */
  readonly latencies?: Latencies;
  /** Where each call is put on record before it is made (`DATA_DIR/audit`). Default: nowhere. */
  readonly auditDirectory?: string | undefined;
  /** Where what tiers with a budget of a day have spent is written down beside Redis. */
  readonly ledgerDirectory?: string | undefined;
  /** Why private rows may not go through this Redis. Default: they may. */
  readonly noPrivateRows?: string | undefined;
  /** A slot of each tier and a request of each limit are kept for online calls. Default false. */
  readonly servesOnline?: boolean;
  /** False: pools here are for online calls alone, and others work the queues. Default true. */
  readonly worksQueues?: boolean;
}
