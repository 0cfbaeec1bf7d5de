import { DelayedError, type Job, type Queue, UnrecoverableError, Worker } from "bullmq";
import type { Redis } from "ioredis";
import type { JobLabels } from "../job/batch.ts";
import { type ExecuteContext, executeJob, type FailedRow, type JobEnding } from "./execute-job.ts";
import type { Pace } from "./pace.ts";
import type { TierPool } from "./tier-pool.ts";

/** A job that carries its own prompt, added by a plain BullMQ producer; the value is what its producer waits for. */
export type ForeignJob = (job: Job, pool: TierPool) => Promise<{ readonly value: unknown } | JobEnding>;

export interface RunningPool {
  readonly pool: TierPool;
  /** It takes rows, and has its part of the tier's calls. */
  readonly worksQueue: boolean;
  /** Sets how many of the tier's slots are this process's share. */
  setShare(slots: number): void;
  /** Calls that may be in flight here now. */
  slots(): number;
  /** Why rows of the tier wait for this process, as the fleet is told. */
  waitReason(): string | undefined;
  /** The same for who sees this process alone: others may have all calls of the tier. */
  waitReasonHere(): string | undefined;
  /** To be called when the pool's allowance may have changed. */
  applyCapacity(): void;
  /** Stops claiming; resolves when what is in flight has ended and is recorded. */
  drain(): Promise<void>;
  /** Like drain, but calls in flight are aborted and their rows handed back without counting an attempt. */
  stopNow(): Promise<void>;
}

/**
 * For every worker. Killed pools are noticed within lock + stall check; a lock shorter than an outage runs jobs twice for
 * BullMQ, which the gate makes harmless. `maxStalledCount` is out of the way: its count is never reset, so two kills
 * would fail a healthy job for ever.
 */
export const stallOptions = { lockDuration: 8_000, stalledInterval: 2_000, maxStalledCount: 1_000_000 };
/** Finished jobs kept for Bull Board. */
const finishedJobsKept = 100;

/**
 * Rows that have passed the gate and wait for the next free slot: from an answer to the next call it would otherwise
 * take three round trips to Redis, and the slot would stand empty for them.
 */
const rowsAtTheReady = (slots: number): number => Math.ceil(slots / 16);
/**
 * Of a tier with limits as many again may have their turn and sleep until then; they hold no slot meanwhile. Where calls
 * are counted over all processes each row behind the gate counts, so there are no more of them than slots.
 */
function rowsToClaim(slots: number, pace: Pace): number {
  if (pace.held() !== undefined) return slots;
  return slots * (pace.isPaced ? 2 : 1) + rowsAtTheReady(slots);
}

/** Of a process that has no part of a tier's calls. */
const noShareReason = "all its calls are other processes' share: there are more processes than calls at once";

/** Rows that failed have their results all the same; their job fails so that it is found among the failed ones. */
function failureOf(failed: readonly FailedRow[]): UnrecoverableError {
  const failure = new UnrecoverableError(failed.map(({ row, code }) => `${code} (row ${row})`).join(", "));
  // A stack would be kept with the job, and says nothing but where this program lies.
  failure.stack = "";
  return failure;
}

/** Starts the workers of one tier in this process. The only place that speaks BullMQ's control flow. */
export function runPool(
  pool: TierPool,
  queue: Queue,
  connection: Redis,
  context: ExecuteContext,
  foreignJob: ForeignJob,
): RunningPool {
  let share = pool.sizes.divisible;
  let stopping = false;
  let fallbackTimer: NodeJS.Timeout | undefined;
  let mayClaim = true;
  let claimed = 0;

  async function process(job: Job, token?: string): Promise<unknown> {
    claimed++;
    try {
      return await execute(job, token);
    } finally {
      claimed--;
    }
  }

  async function execute(job: Job, token?: string): Promise<unknown> {
    const labels = job.data as Partial<JobLabels> | null;
    if (job.attemptsStarted === 1) context.meter.queueWaited(pool.tier.name, Date.now() - job.timestamp);
    const ending =
      typeof labels?.batch === "string"
        ? await executeRows(labels as JobLabels, job.attemptsStarted > 1)
        : await foreignJob(job, pool);
    if ("value" in ending) return ending.value;
    if (ending.kind === "finished") {
      if (ending.failed !== undefined) throw failureOf(ending.failed);
      return undefined;
    }
    await job.moveToDelayed(Date.now() + ending.delayMs, token);
    throw new DelayedError();
  }

  /** Rows of one job come one after the other; those that must wait bring the job back, when the gate skips the rest. */
  async function executeRows(labels: JobLabels, cameBack: boolean): Promise<JobEnding> {
    const { rows, ...labelsOfOne } = labels;
    if (rows === undefined) return executeJob(labels, cameBack, pool, context);
    let delayMs: number | undefined;
    const failed: FailedRow[] = [];
    for (const row of rows) {
      if (stopping) return { kind: "later", delayMs: 0 };
      const ending = await executeJob({ ...labelsOfOne, row }, cameBack, pool, context);
      if (ending.kind === "later") delayMs = Math.max(delayMs ?? 0, ending.delayMs);
      else failed.push(...(ending.failed ?? []));
    }
    if (delayMs !== undefined) return { kind: "later", delayMs };
    return failed.length === 0 ? { kind: "finished" } : { kind: "finished", failed };
  }

  const worker = new Worker(pool.tier.name, process, {
    connection,
    prefix: queue.opts.prefix!,
    ...(queue.opts.telemetry === undefined ? {} : { telemetry: queue.opts.telemetry }),
    concurrency: rowsToClaim(Math.max(1, pool.sizes.own()), pool.pace),
    ...stallOptions,
    removeOnComplete: { count: finishedJobsKept },
    removeOnFail: { count: finishedJobsKept },
    runRetryDelay: 500,
    drainDelay: 5,
  });
  // A lost lock or connection shows here; the gate and the record make it harmless, and the display shows outages.
  worker.on("error", () => {});

  function applyCapacity(): void {
    clearTimeout(fallbackTimer);
    if (stopping) return;
    const slots = Math.min(share, pool.allowance());
    const waitsBeforeFallbackMs =
      (pool.fallbackAtMs() ?? performance.now() + pool.tier.fallbackAfterMs) - performance.now();
    mayClaim = share > 0 && (slots > 0 || waitsBeforeFallbackMs <= 0);
    if (!mayClaim) {
      void worker.pause(true);
      if (share > 0) fallbackTimer = setTimeout(applyCapacity, waitsBeforeFallbackMs + 1);
      return;
    }
    // Rows of a tier that stays down are claimed one at a time, so that they can move to their next model.
    pool.setLimit(Math.max(1, slots));
    const isReduced = slots < Math.min(share, pool.sizes.own());
    const wasFull = claimed >= worker.concurrency;
    worker.concurrency = isReduced ? Math.max(1, slots) : rowsToClaim(Math.max(1, slots), pool.pace);
    if (worker.isPaused()) void worker.resume();
    else if (wasFull && claimed < worker.concurrency) void wake();
  }

  /** A full worker looks at its concurrency only when a job ends, which may be minutes away, or when it is resumed. */
  async function wake(): Promise<void> {
    await worker.pause(true);
    if (mayClaim && !stopping) await worker.resume();
  }

  const waitReason = (): string | undefined => context.isolation.waitReason() ?? pool.waitReason();

  return {
    pool,
    worksQueue: true,
    waitReason,
    waitReasonHere: () => waitReason() ?? (share > 0 ? undefined : noShareReason),
    slots: () => Math.min(share, pool.allowance()),
    setShare(slots) {
      share = slots;
      applyCapacity();
    },
    applyCapacity,
    async drain() {
      stopping = true;
      pool.turnAway();
      clearTimeout(fallbackTimer);
      await worker.close();
      await pool.close();
    },
    async stopNow() {
      stopping = true;
      clearTimeout(fallbackTimer);
      pool.abort();
      await worker.close();
      await pool.close();
    },
  };
}
