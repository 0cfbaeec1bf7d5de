import { dirname } from "node:path";
import type { ModelConfig } from "./config/config.ts";
import { watchFolder } from "./config/folder-watch.ts";
import type { Fleet } from "./fleet.ts";
import type { Input } from "./intake/open-input.ts";
import { type OwnedBatch, ownBatch } from "./own-batch.ts";
import type { FeedLine } from "./queue/feed.ts";
import type { BatchShare } from "./queue/window-shares.ts";
import type { LineReader } from "./read-lines.ts";
import { createRunBudget, type Spending } from "./results/run-budget.ts";
import { type RunState, removeRunFiles, writeRunState } from "./results/run-state.ts";
import { retryRow } from "./retry-row.ts";

export interface FileBatchOptions {
  readonly fleet: Fleet;
  readonly state: RunState;
  /** Segments and state lie beside this path. The caller holds its lock. */
  readonly workPath: string;
  readonly input: Pick<Input, "readLines" | "readLineAt" | "lineNumberOf">;
  readonly lines: Pick<LineReader, "read" | "possibleTiers">;
  readonly models: Readonly<Record<string, ModelConfig>>;
  /** Asks no other rows. Default: all. */
  readonly only?: ReadonlySet<number> | undefined;
  readonly withPools: boolean;
  /** Its part of the tiers beside other batches. Default: it is alone. */
  readonly share?: BatchShare;
  /** From the first start of the batch. */
  readonly deadlineMs?: number | undefined;
  readonly budgetUsd?: number | undefined;
  /** Nothing more can be paid for, and nothing is in flight. */
  readonly onBudgetSpent?: () => void;
}

/** One file of rows on a fleet that may run others beside it. */
export interface FileBatch {
  readonly owned: OwnedBatch;
  /** `stopped`: it can be taken up again. Of some rows only, it always ends as stopped. */
  readonly finished: Promise<"whole" | "stopped">;
  /** As of the last look; undefined without a budget. */
  spending(): Spending | undefined;
  /** Calls that are made again, as nobody knows how they ended: a process or a connection died with them. */
  readAskedAgain(): Promise<number>;
  /** Asks a failed row again, while the batch has others to wait for. @throws UserError with the reason why not. */
  retryRow(row: number): Promise<void>;
  /** For a whole batch, once what was made of it is safe: drops what it has in Redis and beside its path. */
  forget(): Promise<void>;
}

export async function startFileBatch(options: FileBatchOptions): Promise<FileBatch> {
  const { fleet, state, workPath, budgetUsd, deadlineMs } = options;
  const { batchId } = state;
  writeRunState(workPath, state);
  const disk = watchFolder(dirname(workPath));
  const budget = createRunBudget(fleet.redis, fleet.names, batchId, budgetUsd, state.spentUsd ?? 0);
  await budget.announce();
  const announceAgain = () => void budget.announce().catch(() => {});
  fleet.onIncarnation(announceAgain);
  const owned = await own(options);

  const deadline =
    deadlineMs === undefined
      ? undefined
      : setTimeout(
          () => void owned.endRemaining("deadline_passed", "the deadline passed before this row was answered"),
          Math.max(0, state.startedAtMs + deadlineMs - Date.now()),
        );
  const watchingBudget =
    budgetUsd === undefined
      ? undefined
      : budget.watch({
          recorded: () => owned.progress.answered + owned.progress.failed,
          remember(spentUsd) {
            if (disk.look() === undefined) writeRunState(workPath, { ...state, spentUsd });
          },
          onSpent: () => options.onBudgetSpent?.(),
        });

  async function finish(): Promise<"whole" | "stopped"> {
    try {
      const how = await owned.finished;
      // A part that comes first in the input looks like the whole of it.
      return options.only === undefined ? how : "stopped";
    } finally {
      clearTimeout(deadline);
      await watchingBudget?.stop();
      fleet.offIncarnation(announceAgain);
    }
  }

  return {
    owned,
    finished: finish(),
    spending: () => (budgetUsd === undefined ? undefined : budget.last()),
    readAskedAgain: () => fleet.claims.readAskedAgain(batchId),
    retryRow: (row) => retryRow({ fleet, batchId, owned, input: options.input, lines: options.lines }, row),
    async forget() {
      await fleet.claims.setState(batchId, owned.state(), "ended");
      await fleet.claims.forget(batchId);
      removeRunFiles(workPath);
    },
  };
}

function own(options: FileBatchOptions): Promise<OwnedBatch> {
  const { fleet, state, workPath, input, lines, models, only, withPools } = options;
  return ownBatch({
    fleet,
    batchId: state.batchId,
    generation: state.generation,
    outputPath: workPath,
    retryFailedBelowEpoch: state.retryFailedBelowEpoch,
    models,
    lines: () => (only === undefined ? input.readLines() : leaveOutOthers(input, only)),
    readLineAt: (offset) => input.readLineAt(offset),
    readLine: (line) => lines.read(line, input.lineNumberOf(line.index)),
    lineNumberOf: (index) => input.lineNumberOf(index),
    get possibleTiers() {
      return lines.possibleTiers;
    },
    share: options.share,
    // Pools elsewhere do not say what they take: enough for several of them, until their answers tell.
    concurrencyOf: (tier) => fleet.concurrencyOf(tier) ?? 256,
    async onTier(tier) {
      if (withPools) await fleet.startPool(tier);
    },
  });
}

async function* leaveOutOthers(input: Pick<Input, "readLines">, only: ReadonlySet<number>): AsyncGenerator<FeedLine[]> {
  for await (const lines of input.readLines())
    yield lines.map((line) => ({ ...line, isLeftOut: !only.has(line.index) }));
}
