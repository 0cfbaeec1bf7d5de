import type { Adapter } from "../workers/adapter.ts";
import { adapters } from "../workers/index.ts";
import { findModel } from "./config/ad-hoc.ts";
import type { Config, ModelConfig, Price, TierConfig } from "./config/config.ts";
import { quotaScopeOf } from "./config/limits.ts";
import type { Input } from "./intake/open-input.ts";
import { createIdSet } from "./job/id-set.ts";
import type { Latencies } from "./job/latency.ts";
import type { ResultLine } from "./job/result.ts";
import type { PromptRequest } from "./job/row.ts";
import { createRowTable, type RowTable } from "./job/row-table.ts";
import { mayNameItsRoute } from "./list-routes.ts";
import { callsOf, type PlannedCall } from "./plan-votes.ts";
import type { LineReader } from "./read-lines.ts";
import { readRunState } from "./results/run-state.ts";
import { findSegments, readStoredResults } from "./results/segments.ts";
import { weighRequest } from "./routing/estimate.ts";
import {
  estimateRun,
  type GroupFacts,
  guessOutput,
  type Measured,
  type Need,
  type RowGroup,
  type RunEstimate,
} from "./routing/estimate-run.ts";
import { addTogether, exactly, type Range, times } from "./routing/range.ts";

/** What a run would do. */
export interface RunPlan {
  /** Of the rows that are still to be asked. */
  readonly left: RunEstimate;
  /** Rows that will fail without being asked: invalid, of a doubled id, private without a local model. */
  readonly unusable: number;
  /** Models of their routes that cannot be used here, and of how many rows. */
  readonly missing: readonly { readonly model: string; readonly reason: string; readonly rows: number }[];
  /** What an unfinished run to the same output has already. */
  readonly done: Done;
}

export interface Done {
  readonly rows: number;
  readonly tokens: number;
  readonly costUsd: number;
}

export interface PlanRunOptions {
  readonly config: Config;
  readonly input: Input;
  readonly lines: LineReader;
  readonly latencies: Latencies;
  /** Beside it may lie the answers of an unfinished run. */
  readonly workPath: string | undefined;
  /** Rows that failed there are asked again. */
  readonly retryFailed?: boolean;
}

/** More answers than these make no range narrower. */
const mostMeasured = 2_000;

/**
 * Reads an input to its end and tells what answering it takes. Sends nothing.
 * @param onAskable is told of each row that is still to be asked.
 */
export async function planRun(options: PlanRunOptions, onAskable?: (row: number) => void): Promise<RunPlan> {
  const { config, input, lines, latencies, workPath, retryFailed = false } = options;
  const { table, answers, done } = await readAnswers(workPath, retryFailed);
  const groups = new Map<string, RowGroup>();
  const missing = new Map<string, { model: string; reason: string; rows: number }>();
  const measured: Measured[] = [];
  const ids = createIdSet();
  let unusable = 0;

  function look(bytes: Buffer, index: number): void {
    const parsed = lines.parse(bytes, input.lineNumberOf(index));
    if (!parsed.ok || !ids.add(parsed.row.id)) {
      if (table.stateOf(index) !== "stored") unusable++;
      return;
    }
    const { request } = parsed.row;
    if (table.stateOf(index) === "stored") {
      const { inputTokens: estimatedInputTokens } = weighRequest(request);
      // Votes name their models as the rule does.
      const aliasOf = (name: string): string => findModel(config, name)?.alias ?? name;
      for (const answer of answers.get(index) ?? []) {
        measured.push({ ...answer, model: aliasOf(answer.model), estimatedInputTokens });
      }
      return;
    }
    const planned = lines.plan(parsed.row);
    // What a row was found to hold may have made it private.
    const isPrivate = planned.ok ? planned.row.private : parsed.row.private;
    const skipped = lines.routes({ ...parsed.row, private: isPrivate }).flatMap((route) => route.skipped);
    for (const { alias, reason } of skipped) {
      const key = `${alias}\n${reason}`;
      const known = missing.get(key) ?? { model: alias, reason, rows: 0 };
      known.rows++;
      missing.set(key, known);
    }
    if (!planned.ok) {
      unusable++;
      return;
    }
    onAskable?.(index);
    const { task, route, votes } = planned.row;
    const calls = votes === undefined ? route.slice(0, 1).map((alias): PlannedCall => ({ alias })) : callsOf(votes);
    for (const call of calls) addTo(groups, task, findModel(config, call.alias)!, call.request ?? request, call.need);
  }

  for await (const chunk of input.readLines()) for (const { bytes, index } of chunk) look(bytes, index);
  return {
    left: estimateRun([...groups.values()], measured, (group) => factsOf(group, config, latencies)),
    unusable,
    missing: [...missing.values()],
    done,
  };
}

function addTo(
  groups: Map<string, RowGroup>,
  task: string | null,
  model: ModelConfig,
  request: PromptRequest,
  need?: Need,
): void {
  // What a judge may write is not bounded by the row.
  const own = (need?.answersShown ?? 0) > 0 ? undefined : request.maxOutputTokens;
  const mostTokens = request.endpoint === "/v1/embeddings" ? 0 : (own ?? model.maxOutputTokens);
  const key = JSON.stringify([task, model.alias, need]);
  const before = groups.get(key);
  groups.set(key, {
    task,
    model: model.alias,
    tier: model.tier,
    rows: (before?.rows ?? 0) + 1,
    inputTokens: (before?.inputTokens ?? 0) + weighRequest(request).inputTokens,
    mostOutputTokens: (before?.mostOutputTokens ?? 0) + mostTokens,
    outputGuess: addTogether([before?.outputGuess ?? exactly(0), guessOutput(request, mostTokens)]),
    ...(need === undefined ? {} : { need }),
  });
}

type Answer = Omit<Measured, "estimatedInputTokens">;

/** What lies beside an output of a run that has not ended. */
async function readAnswers(
  workPath: string | undefined,
  retryFailed: boolean,
): Promise<{
  readonly table: RowTable;
  readonly answers: ReadonlyMap<number, readonly Answer[]>;
  readonly done: Done;
}> {
  const table = createRowTable();
  const answers = new Map<number, readonly Answer[]>();
  const done = { rows: 0, tokens: 0, costUsd: 0 };
  if (workPath === undefined) return { table, answers, done };
  const { batchId = "", retryFailedBelowEpoch = 0 } = readRunState(workPath) ?? {};
  const failedCountFrom = retryFailed ? Number.POSITIVE_INFINITY : retryFailedBelowEpoch;
  await readStoredResults(batchId, findSegments(workPath), failedCountFrom, table, (result) => {
    const { usage } = result;
    done.rows++;
    done.tokens += usage.input_tokens + usage.output_tokens;
    done.costUsd += result.cost_usd;
    const given = answersOf(result);
    if (given.length > 0 && answers.size < mostMeasured) answers.set(result.index, given);
  });
  return { table, answers, done };
}

/**
 * What can be learned from a result: of each model that answered the row's own question, whether they agree or not.
 * Nothing from one that failed, or whose server tells no usage.
 */
function answersOf({ consensus, ...result }: ResultLine): Answer[] {
  const calls = consensus?.votes ?? [{ ...result, role: undefined }];
  return calls.flatMap(({ role, model, usage, latency_ms: latencyMs, error }) => {
    const isToTheQuestion = role === undefined || role === "escalation";
    if (error !== null || !isToTheQuestion || model === null || usage.input_tokens === 0) return [];
    const { input_tokens: inputTokens, output_tokens: outputTokens } = usage;
    return [{ task: result.task, model, inputTokens, outputTokens, latencyMs }];
  });
}

function factsOf(group: RowGroup, config: Config, latencies: Latencies): GroupFacts {
  const model = findModel(config, group.model)!;
  const tier = config.tiers[group.tier]!;
  return {
    price: knownPrice(config, group.model),
    isLocal: tier.location === "local",
    latencyMs: latencies.meanMsOf(group.model),
    slots: slotsOf(tier),
    quota: quotaScopeOf(tier, model),
  };
}

const free: Price = { inputPerMTok: 0, outputPerMTok: 0 };

function knownPrice(config: Config, alias: string): Price | undefined {
  const model = findModel(config, alias);
  const isLocal = model !== undefined && config.tiers[model.tier]?.location === "local";
  return model?.price ?? (isLocal ? free : undefined);
}

const builtInAdapters: Partial<Record<string, Adapter>> = adapters;

/** A tier that finds its size by itself begins with its provider's default, and may end with several times as many. */
function slotsOf({ provider, baseUrls, concurrency, maxConcurrency = Number.POSITIVE_INFINITY }: TierConfig): Range {
  const endpoints = Math.max(1, baseUrls.length);
  if (concurrency !== "auto") return exactly(Math.min(maxConcurrency, concurrency * endpoints));
  const start = (builtInAdapters[provider]?.defaultConcurrency ?? 1) * endpoints;
  const { low, likely, high } = times({ low: 1, likely: 1, high: 4 }, start);
  const most = (slots: number): number => Math.min(maxConcurrency, slots);
  return { low: most(low), likely: most(likely), high: most(high) };
}

/**
 * Whether some row of an input may cost money, so that its owner should know how much. The input is looked at only
 * where rows that name nothing are free and others need not be.
 */
export async function mayCost({
  config,
  input,
  lines,
}: Pick<PlanRunOptions, "config" | "input" | "lines">): Promise<boolean> {
  const isPriced = (alias: string): boolean => {
    const price = knownPrice(config, alias);
    return price === undefined || price.inputPerMTok > 0 || price.outputPerMTok > 0;
  };
  const costs = (row: Parameters<LineReader["routes"]>[0]): boolean =>
    lines.routes(row).some((route) => route.ok && route.candidates.some(isPriced));
  if (costs({ private: false })) return true;
  const named = [
    ...Object.keys(config.tasks).map((task) => ({ task, private: false })),
    ...Object.keys(config.models).map((model) => ({ model, private: false })),
  ];
  if (input.kind === "files" || !named.some(costs)) return false;
  for await (const chunk of input.readLines()) {
    for (const { bytes, index } of chunk) {
      if (!mayNameItsRoute(bytes)) continue;
      const parsed = lines.parse(bytes, input.lineNumberOf(index));
      if (parsed.ok && costs(parsed.row)) return true;
    }
  }
  return false;
}
