import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { findModel } from "./config/ad-hoc.ts";
import type { Fleet } from "./fleet.ts";
import { readFlatRow } from "./intake/flat-row.ts";
import { UserError } from "./job/errors.ts";
import { type ErrorCode, failedWithoutCall, type ResultLine } from "./job/result.ts";
import type { PromptRow } from "./job/row.ts";
import { openLiveBatch } from "./live-batch.ts";
import type { PlannedRow, PreparedRow } from "./plan-row.ts";

export interface AskOptions {
  readonly fleet: Fleet;
  /** This process works the tiers that are asked. */
  readonly withPools: boolean;
  /** Models without an answer after this long are failed, in ms. */
  readonly timeoutMs: number;
  /** Ends the question: calls in flight are aborted, models without an answer are failed. */
  readonly signal?: AbortSignal | undefined;
  /** Told why a row waits whenever that changes; undefined when it waits no more. */
  readonly onWait?: ((rowId: string, reason: string | undefined) => void) | undefined;
}

/** Asks one row; resolves with its one result, whatever happens. */
export type AskOne = (row: PlannedRow) => Promise<ResultLine>;

interface EndWithoutAnswer {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Somebody waits: a backend that is down gets seconds here, not the minutes that rows of a batch give it. */
const downPatienceMs = 5_000;
const lookEveryMs = 200;
/** With a Redis that is away nothing can be ended there; others forget the question once this process is gone. */
const longestEndMs = 2_000;

/**
 * One question to several models at once, through the queues of their tiers. Rows that the action asks are the
 * question's; what of it is unfinished when the action ends is aborted.
 */
export async function askTogether<Value>(options: AskOptions, action: (ask: AskOne) => Promise<Value>): Promise<Value> {
  const { fleet, withPools, timeoutMs, signal } = options;
  const batch = await openLiveBatch(fleet, async (tier) => {
    if (withPools) await fleet.startPool(tier);
  });
  const { promise: ended, resolve: end } = Promise.withResolvers<EndWithoutAnswer>();
  // What is given up is timed from here on, as its timeout is.
  const startedMs = performance.now();
  const timer = setTimeout(
    () => end({ code: "deadline_passed", message: `no answer within ${timeoutMs / 1_000} s` }),
    timeoutMs,
  );
  const cancel = () => end({ code: "cancelled", message: "the question was cancelled" });
  signal?.addEventListener("abort", cancel, { once: true });
  if (signal?.aborted) cancel();

  async function ask(planned: PlannedRow): Promise<ResultLine> {
    if (!planned.ok) return failedWithoutCall(0, planned.id, null, planned, planned.metadata);
    const { row } = planned;
    const wait = watchWait(fleet, row, options.onWait);
    const result = batch.enqueue(planned);
    result.catch(() => {});
    try {
      const first = await Promise.race([result, ended, wait.hopeless]);
      if ("status" in first) return first;
      const why = wait.reason();
      const message = why === undefined || first.message.includes(why) ? first.message : `${first.message}: ${why}`;
      const failed = failedWithoutCall(0, row.id, row.task, { ...first, message }, row.metadata);
      return { ...failed, latency_ms: Math.round(performance.now() - startedMs) };
    } finally {
      wait.stop();
    }
  }

  try {
    return await action(ask);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", cancel);
    await Promise.race([batch.abort().catch(() => {}), sleep(longestEndMs, undefined, { ref: false })]);
  }
}

interface Wait {
  /** Resolves when no model of the row's route is worth waiting for. */
  readonly hopeless: Promise<EndWithoutAnswer>;
  reason(): string | undefined;
  stop(): void;
}

/** Looks now and then why a row waits, as far as its tiers are worked here. */
function watchWait(fleet: Fleet, row: PreparedRow, onWait: AskOptions["onWait"]): Wait {
  const { promise: hopeless, resolve: giveUp } = Promise.withResolvers<EndWithoutAnswer>();
  let reason: string | undefined;
  let downSinceMs: number | undefined;

  function look(): void {
    const blocks = row.route.map((alias) => whyBlocked(fleet, alias));
    const now = fleet.redisTrouble() ?? blocks.find((block) => block !== undefined)?.reason;
    if (now !== reason) onWait?.(row.id, now);
    reason = now;
    const areAllBlocked = blocks.every((block) => block !== undefined);
    downSinceMs =
      areAllBlocked && blocks.some((block) => block?.isDown) ? (downSinceMs ?? performance.now()) : undefined;
    const isDownForLong = downSinceMs !== undefined && performance.now() - downSinceMs >= downPatienceMs;
    if (areAllBlocked && (isDownForLong || blocks.every((block) => block?.needsAction))) {
      giveUp({ code: "attempts_exhausted", message: reason ?? "no model of its route can be reached" });
    }
  }

  const timer = setInterval(look, lookEveryMs);
  return { hopeless, reason: () => reason, stop: () => clearInterval(timer) };
}

interface Block {
  readonly reason: string;
  /** None of its endpoints takes calls. */
  readonly isDown: boolean;
  /** Waiting longer does not mend it. */
  readonly needsAction: boolean;
}

function whyBlocked(fleet: Fleet, alias: string): Block | undefined {
  const model = findModel(fleet.config, alias);
  const pool = fleet.pools().find((running) => running.pool.tier.name === model?.tier)?.pool;
  const blocked = model === undefined ? undefined : pool?.blockedFor(model.model);
  if (pool === undefined || blocked === undefined) return undefined;
  return {
    reason: blocked.reason,
    isDown: pool.allowance() === 0,
    needsAction: blocked.fallbackAtMs <= performance.now(),
  };
}

/**
 * What is asked of one model, from the fields of a flat row; undefined is as if it were not there.
 * @throws UserError for a field that is wrong.
 */
export function planQuestion(
  fields: Readonly<Record<string, unknown>>,
  id: string,
  plan: (row: PromptRow) => PlannedRow,
): PlannedRow {
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const row = readFlatRow(given, id, {});
  if (typeof row === "string") throw new UserError(row);
  return plan(row);
}
