import { randomBytes } from "node:crypto";
import type { Config } from "./config/config.ts";
import { startFileBatch } from "./file-batch.ts";
import { type Fleet, joinFleet } from "./fleet.ts";
import { createForeignJobs } from "./foreign-jobs.ts";
import type { Input } from "./intake/open-input.ts";
import type { Latencies } from "./job/latency.ts";
import type { ResultLine } from "./job/result.ts";
import type { LineFormat } from "./job/row.ts";
import type { OwnedBatch } from "./own-batch.ts";
import type { RedisAddress } from "./queue/connection.ts";
import type { LineReader } from "./read-lines.ts";
import { formatAnthropicLine } from "./results/format-anthropic.ts";
import { formatCsvHeader, formatCsvRow, formatFlatLine, formatOpenaiLine } from "./results/format-result.ts";
import { openOutput } from "./results/output-target.ts";
import { type RunState, readRunState, refuseChangedInput, removeRunFiles } from "./results/run-state.ts";
import { findSegments } from "./results/segments.ts";
import { checkSegments, writeInInputOrder } from "./results/write-output.ts";
import { type RunSnapshot, type RunSummary, snapshotOf, summaryOf } from "./run-report.ts";

export interface RunFileOptions {
  readonly config: Config;
  readonly latencies: Latencies;
  readonly redis: RedisAddress;
  /** Nobody else uses that Redis. */
  readonly alone: boolean;
  readonly input: Input;
  readonly lines: LineReader;
  /** Where the answers go, or "-". */
  readonly output: string;
  /** Segments and state lie beside this path; OUTPUT itself unless that is "-". */
  readonly workPath: string;
  readonly format: LineFormat | undefined;
  readonly optionsHash: string;
  readonly deadlineMs: number | undefined;
  readonly budgetUsd: number | undefined;
  readonly ledgerDirectory: string;
  readonly fresh: boolean;
  readonly retryFailed: boolean;
  /** Asks no other rows, and leaves OUTPUT to a later run. Default: all. */
  readonly only?: ReadonlySet<number> | undefined;
  readonly withPools: boolean;
  readonly replaceConfig: boolean;
  readonly pullModels: boolean;
  readonly auditDirectory: string;
  readonly noPrivateRows: string | undefined;
  readonly onNotice: (line: string) => void;
}

export interface FileRun {
  readonly fleet: Fleet;
  readonly batchId: string;
  snapshot(): RunSnapshot;
  readonly finished: Promise<RunSummary>;
  /** First Ctrl-C: finish what is in flight, then stop resumable. */
  stopGently(): void;
  /** Second Ctrl-C: hand back what is in flight, resumable all the same. */
  stopNow(): void;
}

/** The main job: a file of prompts in, a file of answers out, on a fleet of its own. The caller holds the output's lock. */
export async function startFileRun(options: RunFileOptions): Promise<FileRun> {
  const startedMs = performance.now();
  const state = chooseState(options);
  const fleet: Fleet = await joinFleet({
    config: options.config,
    latencies: options.latencies,
    redis: options.redis,
    alone: options.alone,
    replaceConfig: options.replaceConfig,
    pullModels: options.pullModels,
    auditDirectory: options.auditDirectory,
    ledgerDirectory: options.ledgerDirectory,
    noPrivateRows: options.noPrivateRows,
    foreignJob: createForeignJobs(() => fleet, options.lines.plan),
  });
  if (await isForgotten(options, fleet, state.batchId))
    options.onNotice(
      "this Redis knows nothing of the unfinished run: what was in flight at its end is asked again, and cannot be counted",
    );
  let gently: boolean | undefined;
  let isBudgetSpent = false;
  const batch = await startFileBatch({
    fleet,
    state,
    workPath: options.workPath,
    input: options.input,
    lines: options.lines,
    models: options.config.models,
    only: options.only,
    withPools: options.withPools,
    deadlineMs: options.deadlineMs,
    budgetUsd: options.budgetUsd,
    onBudgetSpent() {
      isBudgetSpent = true;
      void stopping(true);
    },
  });
  void fleet.forgetOwnerless().catch(() => {});

  async function stopping(gentle: boolean): Promise<void> {
    if (gently === false || gently === gentle) return;
    const first = gently === undefined;
    gently = gentle;
    batch.owned.stopFeeding();
    if (!gentle) for (const running of fleet.pools()) running.pool.abort();
    if (!first) return;
    await fleet.leave(gentle);
    await batch.owned.stop();
  }

  async function finish(): Promise<RunSummary> {
    try {
      const how = await batch.finished;
      const askedAgain = await batch.readAskedAgain();
      if (how === "whole") {
        await assemble(options, batch.owned);
        await batch.forget();
      }
      return summaryOf(
        options.output,
        state,
        batch.owned,
        how === "whole" ? "finished" : isBudgetSpent ? "budget_spent" : "interrupted",
        askedAgain,
        startedMs,
        fleet.auditHead(),
        batch.spending(),
      );
    } finally {
      if (gently === undefined) await fleet.leave(true);
      await fleet.close();
    }
  }

  return {
    fleet,
    batchId: state.batchId,
    snapshot: () => snapshotOf(fleet, batch.owned),
    finished: finish(),
    stopGently: () => void stopping(true),
    stopNow: () => void stopping(false),
  };
}

/** Its append-only file could not be read, or it is another Redis than before. */
async function isForgotten({ workPath, retryFailed }: RunFileOptions, fleet: Fleet, batchId: string): Promise<boolean> {
  if (retryFailed || findSegments(workPath).length === 0) return false;
  return (await fleet.redis.exists(fleet.names.batch(batchId).batch)) === 0;
}

function chooseState({ input, workPath, optionsHash, fresh, retryFailed, onNotice }: RunFileOptions): RunState {
  const found = fresh ? readAnyRunState(workPath) : readRunState(workPath);
  if (found === undefined || fresh) {
    if (fresh) removeRunFiles(workPath);
    return {
      version: 1,
      // The same batch in a new generation: what Redis holds of the old one goes with the claim.
      batchId: found?.batchId ?? randomBytes(5).toString("hex"),
      generation: found === undefined ? 0 : found.generation + 1,
      retryFailedBelowEpoch: 0,
      input: input.identity,
      configHash: optionsHash,
      startedAtMs: Date.now(),
    };
  }
  refuseChangedInput(found, input.identity, workPath);
  if (found.configHash !== optionsHash)
    onNotice("the configuration changed since this run began; it applies to the rows that are not yet answered");
  const resumed = { ...found, configHash: optionsHash };
  if (!retryFailed) return resumed;
  const nextEpoch = (findSegments(workPath).at(-1)?.epoch ?? 0) + 1;
  return { ...resumed, generation: found.generation + 1, retryFailedBelowEpoch: nextEpoch };
}

/** `--fresh` starts over whatever is there, also beside a state that cannot be read. */
function readAnyRunState(workPath: string): RunState | undefined {
  try {
    return readRunState(workPath);
  } catch {
    return undefined;
  }
}

async function assemble({ output, format, lines }: RunFileOptions, batch: OwnedBatch): Promise<void> {
  checkSegments(batch.segmentPaths);
  const writer = await openOutput(output);
  try {
    const isCsv = /\.csv(\.gz)?$/.test(output);
    if (isCsv) await writer.write(formatCsvHeader());
    const chosen = format ?? lines.format;
    await writeInInputOrder(
      batch.table,
      batch.table.length,
      batch.segmentPaths,
      formatterFor(isCsv, chosen, lines.format),
      writer,
    );
    await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** The stored line is the flat line already, unless it may carry a provider's whole answer. */
function formatterFor(
  isCsv: boolean,
  chosen: LineFormat,
  came: LineFormat,
): ((result: ResultLine) => string) | undefined {
  if (isCsv) return formatCsvRow;
  if (chosen === "openai") return formatOpenaiLine;
  if (chosen === "anthropic") return formatAnthropicLine;
  return came === "flat" ? undefined : formatFlatLine;
}
