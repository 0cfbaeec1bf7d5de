import { batchOfRows } from "../job/consensus.ts";

/**
 * Every Redis key of a fleet, in one place. All share the hash tag `{FLEET}`, so that scripts stay atomic on Redis
 * Cluster. BullMQ's own keys are `{FLEET}:QUEUE:…`; ours are `{FLEET}/…` and can never meet them.
 */
export interface FleetNames {
  readonly fleet: string;
  /** Which version of all this the fleet speaks; see protocol-version.ts. */
  readonly protocol: string;
  /** BullMQ's `prefix`. */
  readonly queuePrefix: string;
  /** Sorted set: process id → Redis time (ms) of its last heartbeat. */
  readonly processes: string;
  /** Hash: process id → JSON of what it says of itself, the tiers whose pools it runs among it. */
  readonly pools: string;
  /** Hash: tier → JSON of its definition, as the pools that run it see it. */
  readonly tierDefinitions: string;
  /** Hash: alias → "meanMs:weight:atMs", how fast each model has answered. */
  readonly latencies: string;
  /** Hash: a counter of job/meter.ts → its sum over all processes that there were. */
  readonly metrics: string;
  /** Set of the ids of batches that are open. */
  readonly openBatches: string;
  /** BullMQ's keys of a queue, for who only looks. */
  queue(queueName: string): QueueKeys;
  /** Hash of a day: process id → JSON of where its audit chain ends. */
  auditHeads(day: string): string;
  batch(batchId: string): BatchNames;
  /** Hash: where the limits of a tier or model stand; its fields are told in pool/pace.lua. */
  pace(scope: string): string;
  /** Hash: process id → calls of a tier that it has in flight; of tiers with `maxConcurrency`. */
  leases(tier: string): string;
  /** Hash: what a tier has spent of its budget of a day. */
  spend(tier: string): string;
  /** The keys of what lets rows of a batch wait: pace, leases, spend of the batch, spend of the tier. */
  ofTerms(batchId: string, terms: { readonly scope: string; readonly tier: string }): readonly string[];
  /** The same for a call that no batch holds; the spend of all such calls stands in the place of the batch's. */
  ofTurns(terms: { readonly scope: string; readonly tier: string }): readonly string[];
}

export interface QueueKeys {
  /** Lists of job ids. */
  readonly wait: string;
  readonly active: string;
  /** Sorted sets of job ids. */
  readonly prioritized: string;
  readonly delayed: string;
  /** Hash; has the field `paused` while somebody has paused the queue. */
  readonly meta: string;
}

export interface BatchNames {
  /** Hash: state, generation, epoch, incarnation, owner, models, where its files lie, how often rows were asked again. */
  readonly batch: string;
  /** Bitmap: one bit a row, set when its result is recorded. */
  readonly done: string;
  /** Hash: row index → payload, while the row is in the window. */
  readonly payloads: string;
  /**
   * Hash: row index → "hop:attempts:position", and ":crashes" where processes died with the row in a call; a row without
   * an entry is at 0:0:0.
   */
  readonly moves: string;
  /** Hash: row index → id of the unsettled call (process id, a blank, a number). */
  readonly calls: string;
  /** Stream: recorded results that are not yet on disk. */
  readonly results: string;
  /** Hash: what it may spend, has spent and has reserved; its fields are told in pool/budget.lua. */
  readonly spend: string;
}

/** The queue to which a plain BullMQ producer adds rows that are to be routed by their task. */
export const inboxQueue = "inbox";
/** One job for each batch of a server, for who looks at the queues; what a batch is lies on disk. */
export const batchesQueue = "batches";

export function fleetNames(fleet: string): FleetNames {
  const tag = `{${fleet}}`;
  const batchBase = (batchId: string) => `${tag}/batch/${batchId}`;
  const pace = (scope: string) => `${tag}/pace/${scope}`;
  const leases = (tier: string) => `${tag}/leases/${tier}`;
  const spend = (tier: string) => `${tag}/spend/${tier}`;
  return {
    fleet,
    protocol: `${tag}/protocol`,
    queuePrefix: tag,
    processes: `${tag}/processes`,
    pools: `${tag}/pools`,
    tierDefinitions: `${tag}/tier-definitions`,
    latencies: `${tag}/latencies`,
    metrics: `${tag}/metrics`,
    openBatches: `${tag}/open-batches`,
    queue: (queueName) => {
      const base = `${tag}:${queueName}`;
      return {
        wait: `${base}:wait`,
        active: `${base}:active`,
        prioritized: `${base}:prioritized`,
        delayed: `${base}:delayed`,
        meta: `${base}:meta`,
      };
    },
    auditHeads: (day) => `${tag}/audit-heads/${day}`,
    pace,
    leases,
    spend,
    ofTerms: (batchId, { scope, tier }) => [
      pace(scope),
      leases(tier),
      `${batchBase(batchOfRows(batchId))}/spend`,
      spend(tier),
    ],
    ofTurns: ({ scope, tier }) => [pace(scope), leases(tier), `${tag}/turns-spend`, spend(tier)],
    batch: (batchId) => {
      const base = batchBase(batchId);
      return {
        batch: base,
        done: `${base}/done`,
        payloads: `${base}/payloads`,
        moves: `${base}/moves`,
        calls: `${base}/calls`,
        results: `${base}/results`,
        // Votes are paid by the batch that they are of.
        spend: `${batchBase(batchOfRows(batchId))}/spend`,
      };
    },
  };
}

/** BullMQ's id of one placing of a row in one queue; never one that BullMQ may still keep, as it ignores ids it knows. */
export function jobIdOf(batchId: string, index: number, generation: number, hop: number): string {
  return `${batchId}-${index}-${generation}-${hop}`;
}

/** Where the answer of a private row lies that a plain BullMQ producer added. */
export function foreignResultKey(names: FleetNames, queueName: string, jobId: string): string {
  return `${names.queuePrefix}/foreign/${queueName}/${jobId}`;
}
