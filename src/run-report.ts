import type { Fleet } from "./fleet.ts";
import type { OwnedBatch } from "./own-batch.ts";
import { tierWaits } from "./pool/tier-waits.ts";
import { type AuditHead, headName } from "./results/audit-lines.ts";
import type { Progress } from "./results/progress.ts";
import type { Spending } from "./results/run-budget.ts";
import type { RunState } from "./results/run-state.ts";

/** The last line of `run --json`, and what the display's end is made of. */
export interface RunSummary {
  readonly batch: string;
  /** `budget_spent`: rows are left that cannot be paid for; a larger budget resumes. */
  readonly state: "finished" | "interrupted" | "budget_spent";
  readonly rows: number;
  readonly answered: number;
  readonly failed: number;
  /** Rows whose call died with its process, its connection or its time: the backend may have answered for nothing. */
  readonly asked_again: number;
  readonly cost_usd: number;
  /** With `--budget`, failed and repeated calls and earlier runs included. */
  readonly budget_usd?: number;
  readonly spent_usd?: number;
  /** Part of `spent_usd`: calls whose end nobody knows, at all that they can have cost. */
  readonly unconfirmed_usd?: number;
  readonly wall_s: number;
  readonly by_model: Record<string, unknown>;
  readonly by_tier: Record<string, unknown>;
  readonly output: string;
  /** Where this process' audit ended, for `audit verify --head`; null when it sent nothing. */
  readonly audit_head: string | null;
}

/** One line of the display: a tier and why it waits, if it does. */
export interface TierSnapshot {
  readonly tier: string;
  readonly running: number;
  /** Calls that may run here at once; what was found so far, where that is to be found. */
  readonly slots: number;
  readonly waiting: number;
  readonly reason: string | undefined;
}

export interface RunSnapshot {
  readonly rowsSeen: number;
  readonly sawAllRows: boolean;
  readonly progress: Progress;
  readonly tiers: readonly TierSnapshot[];
  /** What the user should know, each said once. */
  readonly warnings: readonly string[];
  /** Why the run as a whole waits (Redis, the disk). */
  readonly reason: string | undefined;
}

/** What the display shows of a run that goes on. */
export function snapshotOf(fleet: Fleet, batch: OwnedBatch): RunSnapshot {
  const { feeder, progress, table } = batch;
  const rowsByTier = new Map<string, number>();
  for (const { tier, rows, parked } of feeder.windows.all())
    if (tier !== "") rowsByTier.set(tier, (rowsByTier.get(tier) ?? 0) + rows + parked);
  const tiers = [...rowsByTier].map(([tier, rows]): TierSnapshot => {
    const running = fleet.pools().find((one) => one.pool.tier.name === tier);
    const inFlight = running?.pool.inFlight() ?? 0;
    const waiting = Math.max(0, rows - inFlight);
    const slots = running?.slots() ?? 0;
    const isIdle = waiting === 0 && inFlight === 0;
    const reason = isIdle ? undefined : running === undefined ? tierWaits(fleet, tier) : running.waitReasonHere();
    return { tier, running: inFlight, slots, waiting, reason };
  });
  return {
    rowsSeen: table.length,
    sawAllRows: feeder.scannedAll,
    progress,
    tiers,
    warnings: [...fleet.omittedOptions()].map(
      ([alias, options]) =>
        `${alias} cannot take ${[...options].join(", ")}; left out (--strict fails such rows instead)`,
    ),
    reason: fleet.redisTrouble() ?? batch.waitReason(),
  };
}

export function summaryOf(
  output: string,
  state: RunState,
  { progress, table, feeder }: OwnedBatch,
  how: RunSummary["state"],
  askedAgain: number,
  startedMs: number,
  auditHead: AuditHead | undefined,
  spending: Spending | undefined,
): RunSummary {
  return {
    batch: state.batchId,
    state: how,
    rows: feeder.scannedAll ? table.length : progress.answered + progress.failed,
    answered: progress.answered,
    failed: progress.failed,
    asked_again: askedAgain,
    cost_usd: roundUsd(progress.costUsd),
    ...(spending === undefined
      ? {}
      : {
          budget_usd: spending.budgetUsd,
          spent_usd: roundUsd(spending.spentUsd),
          unconfirmed_usd: roundUsd(spending.unconfirmedUsd),
        }),
    wall_s: Math.round((performance.now() - startedMs) / 100) / 10,
    by_model: countsOf(progress.byModel),
    by_tier: countsOf(progress.byTier),
    output,
    audit_head: auditHead === undefined ? null : headName(auditHead),
  };
}

const roundUsd = (usd: number): number => Math.round(usd * 1e6) / 1e6;

function countsOf(counts: Progress["byModel"]): Record<string, unknown> {
  return Object.fromEntries(
    [...counts].map(([name, count]) => [
      name,
      {
        answered: count.answered,
        failed: count.failed,
        input_tokens: count.inputTokens,
        output_tokens: count.outputTokens,
        cost_usd: roundUsd(count.costUsd),
      },
    ]),
  );
}
