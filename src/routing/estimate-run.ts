import type { Price } from "../config/config.ts";
import type { QuotaScope } from "../config/limits.ts";
import type { PromptRequest } from "../job/row.ts";
import { addApart, addTogether, exactly, latest, type Range, times, totalByRatio, totalBySample } from "./range.ts";

/** Rows of one task that go to one model, added up. */
export interface RowGroup {
  readonly task: string | null;
  readonly model: string;
  readonly tier: string;
  readonly rows: number;
  /** By rule of thumb (`weighRequest`). */
  readonly inputTokens: number;
  /** All that their answers may be. */
  readonly mostOutputTokens: number;
  readonly outputGuess: Range;
  /** Calls that perhaps nobody needs: of a judge, or of a stronger model. */
  readonly need?: Need;
}

export interface Need {
  /** Share of the rows that are expected to need one; none may, and all may. */
  readonly likely: 0 | 1;
  /** Answers of others that each of them is shown beside the question. */
  readonly answersShown: number;
}

/** What a row of this kind really was. */
export interface Measured {
  readonly task: string | null;
  readonly model: string;
  readonly estimatedInputTokens: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly latencyMs: number;
}

/** What must be known of a group's model and tier. */
export interface GroupFacts {
  /** Undefined: nobody knows. */
  readonly price: Price | undefined;
  readonly isLocal: boolean;
  /** The fleet's mean time of an answer, if it was measured. */
  readonly latencyMs: number | undefined;
  /** Calls at once of its tier; a range where it finds them by itself. */
  readonly slots: Range;
  readonly quota: QuotaScope | undefined;
}

/** `measured`: by answers of this task and model; `similar`: by answers of this model; `guessed`: by rules of thumb. */
export type Basis = "measured" | "similar" | "guessed";

export interface GroupEstimate {
  readonly group: RowGroup;
  readonly basis: Basis;
  readonly inputTokens: Range;
  readonly outputTokens: Range;
  /** Undefined where the price is not known. */
  readonly costUsd: Range | undefined;
  /** Of all its calls together. */
  readonly callMs: Range;
  /** Of the calls that end last, how long they go on alone. */
  readonly tailMs: Range;
}

export interface RunEstimate {
  readonly groups: readonly GroupEstimate[];
  readonly rows: number;
  readonly inputTokens: Range;
  readonly outputTokens: Range;
  /** Of the rows whose price is known. */
  readonly costUsd: Range;
  readonly rowsWithoutPrice: number;
  readonly seconds: Range;
}

/** Four bytes a token may be wrong by this much, with one text or another, one tokenizer or another. */
const inputGuess: Range = { low: 0.7, likely: 1, high: 1.5 };
/** How long an answer is when nobody has seen one. */
const answerGuess: Range = { low: 20, likely: 250, high: 1_200 };
const choiceGuess: Range = { low: 1, likely: 5, high: 30 };
/** What a call takes beside its tokens, and for each token of its answer. */
const callGuessMs = 500;
const tokenGuessMs = { local: 40, cloud: 15 };
/** A server may be so much faster or slower than that. */
const paceGuess: Range = { low: 0.25, likely: 1, high: 4 };
/** What a run takes before its first call and after its last. */
const startAndEndSeconds: Range = { low: 0.1, likely: 0.25, high: 0.5 };
/** By how much the first calls of a process, such as those of a sample, are slower: connections and code are cold. */
const coldCallMs: Range = { low: 0, likely: 3, high: 7 };
const coldCalls = 20;
/** What the fleet has measured was on other prompts, maybe. */
const paceKnown: Range = { low: 0.6, likely: 1, high: 1.7 };

/** Of one row that no model has answered yet. Pure. */
export function guessOutput({ answerForm }: PromptRequest, mostTokens: number): Range {
  const { low, likely, high } = answerForm !== undefined && "choices" in answerForm ? choiceGuess : answerGuess;
  return { low: Math.min(low, mostTokens), likely: Math.min(likely, mostTokens), high: Math.min(high, mostTokens) };
}

/** What rows will take: by what others like them took, else by rules of thumb. Pure. */
export function estimateRun(
  groups: readonly RowGroup[],
  measured: readonly Measured[],
  factsOf: (group: RowGroup) => GroupFacts,
): RunEstimate {
  const estimates = groups.map((group) => estimateGroup(group, measured, factsOf(group)));
  const sumOf = (of: (estimate: GroupEstimate) => Range | undefined): Range => {
    const part = (isMeasured: boolean): Range[] =>
      estimates.filter(({ basis }) => (basis === "measured") === isMeasured).flatMap((one) => of(one) ?? []);
    return addTogether([addApart(part(true)), ...part(false)]);
  };
  return {
    groups: estimates,
    rows: groups.reduce((rows, { need, ...group }) => rows + (need === undefined ? group.rows : 0), 0),
    inputTokens: sumOf(({ inputTokens }) => inputTokens),
    outputTokens: sumOf(({ outputTokens }) => outputTokens),
    costUsd: sumOf(({ costUsd }) => costUsd),
    rowsWithoutPrice: estimates.reduce((rows, one) => rows + (one.costUsd === undefined ? one.group.rows : 0), 0),
    seconds: latest(
      [...Map.groupBy(estimates, ({ group }) => group.tier).values()].map((one) => secondsOf(one, factsOf)),
    ),
  };
}

function estimateGroup(group: RowGroup, measured: readonly Measured[], facts: GroupFacts): GroupEstimate {
  const ofModel = measured.filter(({ model }) => model === group.model);
  const ofKind = ofModel.filter(({ task }) => task === group.task);
  const [basis, sample] = chooseSample(ofKind, ofModel);
  const { rows, mostOutputTokens, need } = group;
  const own =
    totalByRatio(
      sample.map((one) => ({ estimated: one.estimatedInputTokens, real: one.inputTokens })),
      group.inputTokens,
      rows,
    ) ?? times(inputGuess, group.inputTokens);
  const output =
    totalBySample(
      sample.map((one) => one.outputTokens),
      rows,
    ) ?? group.outputGuess;
  const ofAll = {
    low: Math.min(output.low, mostOutputTokens),
    likely: Math.min(output.likely, mostOutputTokens),
    high: Math.min(output.high, mostOutputTokens),
  };
  const shown = times(answerGuess, rows * (need?.answersShown ?? 0));
  const inputTokens = asNeeded(addTogether([own, shown]), need);
  const outputTokens = asNeeded(ofAll, need);
  const { callMs, tailMs } = timesOf(group, sample, ofAll, facts);
  return {
    group,
    basis,
    inputTokens,
    outputTokens,
    costUsd: costOf(inputTokens, outputTokens, basis, facts.price),
    callMs: asNeeded(callMs, need),
    tailMs: asNeeded(tailMs, need),
  };
}

/** Of calls that perhaps nobody needs. */
function asNeeded(ofAll: Range, need: Need | undefined): Range {
  return need === undefined ? ofAll : { low: 0, likely: ofAll.likely * need.likely, high: ofAll.high };
}

/** As few answers say little: three of its own kind at least, else those of its model. */
function chooseSample(
  ofKind: readonly Measured[],
  ofModel: readonly Measured[],
): readonly [Basis, readonly Measured[]] {
  if (ofKind.length >= 3) return ["measured", ofKind];
  return ofModel.length >= 3 ? ["similar", ofModel] : ["guessed", []];
}

function costOf(input: Range, output: Range, basis: Basis, price: Price | undefined): Range | undefined {
  if (price === undefined) return undefined;
  const parts = [times(input, price.inputPerMTok / 1e6), times(output, price.outputPerMTok / 1e6)];
  return basis === "measured" ? addApart(parts) : addTogether(parts);
}

function timesOf(
  { rows }: RowGroup,
  sample: readonly Measured[],
  output: Range,
  facts: GroupFacts,
): Pick<GroupEstimate, "callMs" | "tailMs"> {
  const latencies = sample.map(({ latencyMs }) => latencyMs);
  const bySample = totalBySample(latencies, rows);
  if (bySample !== undefined) {
    const power = (exponent: number): number => latencies.reduce((sum, latency) => sum + latency ** exponent, 0);
    // Long calls are more likely than others to be the ones that still go on: what is left of one at any time is, on
    // average, half of its own length weighed by that length.
    const likely = power(2) / Math.max(1, power(1)) / 2;
    const coldRows = rows * Math.min(1, coldCalls / latencies.length);
    const callMs: Range = {
      low: Math.max(bySample.low / 2, bySample.low - coldCallMs.high * coldRows),
      likely: Math.max(bySample.likely / 2, bySample.likely - coldCallMs.likely * coldRows),
      high: bySample.high,
    };
    return { callMs, tailMs: { low: 0, likely, high: Math.max(2 * likely, ...latencies) } };
  }
  const tokenMs = tokenGuessMs[facts.isLocal ? "local" : "cloud"];
  const callMs =
    facts.latencyMs !== undefined
      ? times(paceKnown, facts.latencyMs * rows)
      : times(paceGuess, callGuessMs * rows + tokenMs * output.likely);
  return { callMs, tailMs: { low: 0, likely: callMs.likely / rows / 2, high: (2 * callMs.high) / rows } };
}

/** How long a tier is busy: as its slots allow, or its limits, whichever is longer. The last calls end alone. */
function secondsOf(estimates: readonly GroupEstimate[], factsOf: (group: RowGroup) => GroupFacts): Range {
  const rows = estimates.reduce((sum, { group }) => sum + group.rows, 0);
  if (rows === 0) return exactly(0);
  const { slots } = factsOf(estimates[0]!.group);
  const callMs = addTogether(estimates.map((one) => one.callMs));
  const bySlots = (ms: number, places: number): number => ms / Math.max(1, Math.min(places, rows));
  const allSlots = {
    low: bySlots(callMs.low, slots.high),
    likely: bySlots(callMs.likely, slots.likely),
    high: bySlots(callMs.high, slots.low),
  };
  const working = times(addTogether([allSlots, latest(estimates.map((one) => one.tailMs))]), 1 / 1_000);
  const paced = [...Map.groupBy(estimates, ({ group }) => factsOf(group).quota?.name).values()].map((ofScope) =>
    pacedSeconds(ofScope, factsOf(ofScope[0]!.group).quota?.limits),
  );
  return addTogether([latest([working, ...paced]), startAndEndSeconds]);
}

/** Limits that are learned from headers are not known yet. */
function pacedSeconds(estimates: readonly GroupEstimate[], limits: QuotaScope["limits"] | undefined): Range {
  const { rpm, tpm, inputTpm, outputTpm } = limits === "auto" || limits === undefined ? {} : limits;
  const rows = addTogether(estimates.map(({ group }) => asNeeded(exactly(group.rows), group.need)));
  const input = addTogether(estimates.map(({ inputTokens }) => inputTokens));
  const output = addTogether(estimates.map(({ outputTokens }) => outputTokens));
  const at = (amount: Range, perMinute: number | undefined): Range[] =>
    perMinute === undefined ? [] : [times(amount, 60 / perMinute)];
  return latest([
    ...at(rows, rpm),
    ...at(addTogether([input, output]), tpm),
    ...at(input, inputTpm),
    ...at(output, outputTpm),
  ]);
}
