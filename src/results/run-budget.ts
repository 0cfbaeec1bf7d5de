import type { Redis } from "ioredis";
import { votesBatchOf } from "../job/consensus.ts";
import { processTimeoutMs } from "../job/heartbeat.ts";
import type { FleetNames } from "../queue/names.ts";

/** Money of one batch, in US dollars. */
export interface Spending {
  readonly budgetUsd: number;
  readonly spentUsd: number;
  readonly reservedUsd: number;
  /** Part of what is spent: calls whose end nobody knows, at all that they can have cost. */
  readonly unconfirmedUsd: number;
  /** A row could not be paid for while nothing was reserved. */
  readonly isExhausted: boolean;
}

export interface RunBudget {
  /** Tells Redis, before a row is fed and again when Redis came back as somebody else. */
  announce(): Promise<void>;
  /** As of the last look. */
  last(): Spending;
  /** Looks until it is stopped. */
  watch(options: WatchOptions): { stop(): Promise<void> };
}

export interface WatchOptions {
  /** Rows with a result; grows. */
  readonly recorded: () => number;
  /** Writes down what is spent, for a run that resumes this one. */
  readonly remember: (spentUsd: number) => void;
  /** Nothing more can be paid for, and nothing is in flight any more. Told once. */
  readonly onSpent: () => void;
}

const lookEveryMs = 250;
/** Rows that cost nothing go on: only when none of them has ended for so long, and none is in a call, it is over. */
const quietForMs = 1_500;

const nanoUsd = 1e9;

/**
 * What a batch may spend. Gates reserve and records settle it in Redis; this side only says the sum, remembers what was
 * spent should Redis forget it, and looks.
 * @param spentBeforeUsd by earlier runs of the same batch, as far as files know.
 */
export function createRunBudget(
  redis: Redis,
  names: FleetNames,
  batchId: string,
  budgetUsd: number | undefined,
  spentBeforeUsd: number,
): RunBudget {
  const keys = names.batch(batchId);
  const votesCalls = names.batch(votesBatchOf(batchId)).calls;
  let seen: Spending = {
    budgetUsd: budgetUsd ?? Number.POSITIVE_INFINITY,
    spentUsd: spentBeforeUsd,
    reservedUsd: 0,
    unconfirmedUsd: 0,
    isExhausted: false,
  };

  async function look(): Promise<Spending> {
    const fields = await redis.hmget(keys.spend, "spent", "reserved", "unconfirmed", "exhausted");
    const [spent, reserved, unconfirmed] = fields.map((field) => Number(field ?? 0) / nanoUsd);
    // A Redis that came back without it has forgotten, not refunded.
    seen = {
      ...seen,
      spentUsd: Math.max(seen.spentUsd, spent!),
      reservedUsd: reserved!,
      unconfirmedUsd: Math.max(seen.unconfirmedUsd, unconfirmed!),
      isExhausted: fields[3] === "1",
    };
    return seen;
  }

  /** A killed pool's calls stay on record until their rows are asked again, which nothing can pay for. */
  async function callsOfBatch(): Promise<string[]> {
    return [...(await redis.hvals(keys.calls)), ...(await redis.hvals(votesCalls))];
  }

  async function isAnyCallAlive(): Promise<boolean> {
    const callers = new Set((await callsOfBatch()).map((call) => call.split(" ", 1)[0]!));
    if (callers.size === 0) return false;
    const [seconds] = await redis.time();
    const beats = await redis.zmscore(names.processes, ...callers);
    return beats.some((beatMs) => beatMs !== null && Number(beatMs) > Number(seconds) * 1_000 - processTimeoutMs);
  }

  return {
    async announce() {
      if (budgetUsd === undefined) {
        await redis.hdel(keys.batch, "hasBudget");
        return;
      }
      const known = await redis.hget(keys.spend, "spent");
      // What was in flight when Redis forgot it counts in full.
      const restored = Math.round((seen.spentUsd + (known === null ? seen.reservedUsd : 0)) * nanoUsd);
      await redis
        .multi()
        .hset(keys.spend, {
          budget: Math.floor(budgetUsd * nanoUsd),
          spent: Math.max(Number(known ?? 0), restored),
        })
        .hdel(keys.spend, "exhausted")
        .hset(keys.batch, "hasBudget", "1")
        .exec();
    },
    last: () => seen,
    watch({ recorded, remember, onSpent }) {
      let [lastRecorded, changedAtMs] = [recorded(), performance.now()];
      let isTold = false;
      let isStopped = false;
      let remembered = spentBeforeUsd;
      let looking = Promise.resolve();

      async function check(): Promise<void> {
        const { isExhausted, reservedUsd, spentUsd } = await look();
        if (spentUsd + reservedUsd !== remembered) {
          remembered = spentUsd + reservedUsd;
          remember(remembered);
        }
        if (recorded() !== lastRecorded) [lastRecorded, changedAtMs] = [recorded(), performance.now()];
        if (isTold || !isExhausted || reservedUsd > 0 || performance.now() - changedAtMs < quietForMs) return;
        if (await isAnyCallAlive()) return;
        isTold = true;
        onSpent();
      }

      const timer = setInterval(() => {
        looking = looking.then(check).catch(() => {});
      }, lookEveryMs);
      return {
        async stop() {
          if (isStopped) return;
          isStopped = true;
          clearInterval(timer);
          await looking;
          await check().catch(() => {});
        },
      };
    },
  };
}
