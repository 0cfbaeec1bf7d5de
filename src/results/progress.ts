import type { ErrorCode, ResultLine } from "../job/result.ts";

export interface ModelCount {
  answered: number;
  failed: number;
  inputTokens: number;
  outputTokens: number;
  cachedTokens: number;
  costUsd: number;
}

/** What is on disk of a batch, counted. */
export interface Progress extends ModelCount {
  readonly byModel: Map<string, ModelCount>;
  readonly byTier: Map<string, ModelCount>;
  readonly failures: Map<string, number>;
  /** Newest last. */
  readonly lastFailures: LastFailure[];
  add(result: ResultLine): void;
  /** A result that was added counts no longer. */
  takeBack(result: ResultLine): void;
}

/** How a row has failed. */
export interface LastFailure {
  readonly id: string;
  /** Its position in the input. */
  readonly row: number;
  /** Null where no call was made. */
  readonly tier: string | null;
  readonly code: ErrorCode;
  readonly message: string;
}

const emptyCount = (): ModelCount => ({
  answered: 0,
  failed: 0,
  inputTokens: 0,
  outputTokens: 0,
  cachedTokens: 0,
  costUsd: 0,
});

export function createProgress(): Progress {
  const progress: Progress = {
    ...emptyCount(),
    byModel: new Map(),
    byTier: new Map(),
    failures: new Map(),
    lastFailures: [],
    add(result) {
      count(result, 1);
      if (result.error === null) return;
      const { id, index: row, tier } = result;
      progress.lastFailures.push({ id, row, tier, ...result.error });
      if (progress.lastFailures.length > 5) progress.lastFailures.shift();
    },
    takeBack(result) {
      count(result, -1);
      const at = progress.lastFailures.findIndex(({ row }) => row === result.index);
      if (at !== -1) progress.lastFailures.splice(at, 1);
    },
  };
  function count(result: ResultLine, sign: 1 | -1): void {
    addTo(progress, result, sign);
    if (result.consensus === undefined) countCall(result, sign);
    // Of a row that several models were asked each of them has its part.
    else for (const vote of result.consensus.votes) if (vote.attempts > 0) countCall(vote, sign);
    if (result.error === null) return;
    progress.failures.set(result.error.code, (progress.failures.get(result.error.code) ?? 0) + sign);
  }
  function countCall(call: Counted, sign: 1 | -1): void {
    if (call.model !== null) addTo(countOf(progress.byModel, call.model), call, sign);
    if (call.tier !== null) addTo(countOf(progress.byTier, call.tier), call, sign);
  }
  return progress;
}

function countOf(counts: Map<string, ModelCount>, name: string): ModelCount {
  let count = counts.get(name);
  if (count === undefined) {
    count = emptyCount();
    counts.set(name, count);
  }
  return count;
}

type Counted = Pick<ResultLine, "model" | "tier" | "error" | "usage" | "cost_usd">;

function addTo(count: ModelCount, result: Pick<Counted, "error" | "usage" | "cost_usd">, sign: 1 | -1): void {
  if (result.error === null) count.answered += sign;
  else count.failed += sign;
  count.inputTokens += sign * result.usage.input_tokens;
  count.outputTokens += sign * result.usage.output_tokens;
  count.cachedTokens += sign * result.usage.cached_tokens;
  count.costUsd += sign * result.cost_usd;
}
