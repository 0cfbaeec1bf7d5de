import { type ConsensusRule, judgeOf, type Vote, weightOf, weightTolerance } from "../job/consensus.ts";
import type { AnswerForm } from "../job/row.ts";
import { type AgreementKind, type AnswerText, type Comparison, comparisonFor } from "./same-answer.ts";

/** A vote that is not for the agreed answer. */
export interface Dissent {
  readonly model: string;
  readonly text: string;
  /** Of JSON answers: pointers of the fields that differ from the agreed answer. */
  readonly fields?: readonly string[];
  /** Of free texts that were compared by their embeddings: how like the agreed answer it is. */
  readonly similarity?: number;
}

export interface GivenAnswer {
  readonly model: string;
  readonly text: string;
}

/** What was said of free texts that differ in their words; each by the model that gave it. */
export interface Judgement {
  readonly by: "judge" | "similarity";
  readonly isSame: (one: string, other: string) => boolean;
  /** Where it was measured: 1 for texts that are the same. */
  readonly similarity?: (one: string, other: string) => number;
}

/** What the votes say so far. */
export type Count =
  /** The outcome can still change: what is to be asked now. Empty while those asked are waited for. */
  | { readonly kind: "open"; readonly ask: readonly string[] }
  | {
      readonly kind: "agreed";
      /** The vote that stands for those that agree: the first of them in the order of the rule, or the middle one. */
      readonly model: string;
      readonly agreed: readonly string[];
      /** Their share of the weights of all models, also of those without a vote. */
      readonly share: number;
      readonly by: AgreementKind | Judgement["by"];
      /** Of the agreed answer to the one least like it of those that agree, where it was measured. */
      readonly similarity?: number;
      readonly dissent: readonly Dissent[];
    }
  | {
      readonly kind: "none";
      /** Of the answer that most agree on. */
      readonly share: number;
      /** Two answers have as many votes, and enough of them. */
      readonly isTie: boolean;
      readonly by: AgreementKind | Judgement["by"];
      /** Of the two that are most alike among those that are not the same, where it was measured. */
      readonly similarity?: number;
      /** Of JSON answers: the fields in which they differ. */
      readonly fields: readonly string[];
      /** Free texts differ in their words only, perhaps: whoever judges could find enough that mean the same. */
      readonly isForJudge: boolean;
    };

export const isOpenVote = ({ state }: Vote): boolean => state !== "answered" && state !== "failed";

interface Ballot {
  readonly model: string;
  readonly weight: number;
  readonly answer: AnswerText;
  readonly value: unknown;
}

/**
 * Counts the votes of a row, in the order of its rule. Pure. A model that failed, is barred or gave an empty answer has no
 * vote, but its weight counts: no model can make a consensus by its absence. Of two answers that have enough votes the
 * one with more wins; as many is a tie, which is no consensus.
 * @param judgement of free texts; those that are equal are the same without it.
 */
export function countVotes(
  rule: ConsensusRule,
  form: AnswerForm | undefined,
  votes: readonly Vote[],
  judgement?: Judgement,
): Count {
  const comparison = comparisonFor(form, rule.tolerance);
  const by = judgement?.by ?? comparison.by;
  const ballots = ballotsOf(rule, comparison, votes);
  const isSame = (one: Ballot, other: Ballot): boolean =>
    comparison.differences(one.value, other.value).length === 0 || judgement?.isSame(one.model, other.model) === true;

  const total = sumOf(votes.map(({ model }) => weightOf(rule, model)));
  const needed = rule.threshold * total - weightTolerance;
  const pending = votes.filter(isOpenVote);
  const pendingWeight = sumOf(pending.map(({ model }) => weightOf(rule, model)));
  const { leader, rivalWeight } = findLeader(ballots, isSame);
  const leading = leader?.weight ?? 0;

  if (leader !== undefined && leading >= needed && rivalWeight + pendingWeight < leading - weightTolerance) {
    return {
      kind: "agreed",
      model: leader.centre.model,
      agreed: leader.group.map(({ model }) => model),
      share: leading / total,
      by,
      ...likeness(
        judgement,
        leader.group.map((one) => [leader.centre, one]),
        Math.min,
      ),
      dissent: ballots
        .filter((one) => !leader.group.includes(one))
        .map((one) => ({
          ...dissentOf(comparison, leader, one),
          ...likeness(judgement, [[leader.centre, one]], Math.min),
        })),
    };
  }
  // Whoever judges may yet find that any of the texts mean the same.
  const mayBeSame = by === "text" && judgeOf(rule) !== undefined;
  const atBest = (mayBeSame ? sumOf(ballots.map(({ weight }) => weight)) : leading) + pendingWeight;
  if (pending.length === 0 || atBest < needed) {
    return {
      kind: "none",
      share: total === 0 ? 0 : leading / total,
      isTie: leading >= needed && leader !== undefined,
      by,
      ...likeness(
        judgement,
        pairsOf(ballots).filter(([one, other]) => !isSame(one, other)),
        Math.max,
      ),
      fields: comparison.by === "fields" ? fieldsInDispute(comparison, ballots) : [],
      isForJudge: mayBeSame && ballots.length > 1 && atBest >= needed,
    };
  }
  return { kind: "open", ask: nextToAsk(rule, votes, leading, needed) };
}

/** All of them, or with `economy` only as many as can make the threshold with what is there. */
function nextToAsk(rule: ConsensusRule, votes: readonly Vote[], leading: number, needed: number): string[] {
  const unasked = votes.flatMap(({ state, model }) => (state === "unasked" ? [model] : []));
  if (rule.economy !== true) return unasked;
  const asked = votes.filter(({ state }) => state === "asked");
  let hoped = leading + sumOf(asked.map(({ model }) => weightOf(rule, model)));
  const next: string[] = [];
  for (const model of unasked) {
    // Where enough agree and others could still overtake them, one more at a time.
    if (hoped >= needed && asked.length + next.length > 0) break;
    next.push(model);
    hoped += weightOf(rule, model);
  }
  return next;
}

function ballotsOf(rule: ConsensusRule, comparison: Comparison, votes: readonly Vote[]): Ballot[] {
  const ballots: Ballot[] = [];
  for (const vote of votes) {
    if (vote.state !== "answered") continue;
    // Most answers are the same to the letter.
    const compared =
      ballots.find(({ answer }) => answer.text === vote.text && answer.json === vote.json) ??
      comparison.comparable(vote);
    if (compared === undefined) continue;
    ballots.push({ model: vote.model, weight: weightOf(rule, vote.model), answer: vote, value: compared.value });
  }
  return ballots;
}

interface Leader {
  /** All others of its group are the same as this one; within a tolerance they need not be the same as one another. */
  readonly centre: Ballot;
  readonly group: readonly Ballot[];
  readonly weight: number;
}

function findLeader(ballots: readonly Ballot[], isSame: (one: Ballot, other: Ballot) => boolean) {
  const groups = ballots.map((centre): Leader => {
    const group = ballots.filter((other) => other === centre || isSame(centre, other));
    return { centre, group, weight: sumOf(group.map(({ weight }) => weight)) };
  });
  let leader: Leader | undefined;
  for (const group of groups)
    if (leader === undefined || group.weight > leader.weight + weightTolerance) leader = group;
  const rivals = groups.filter(({ centre }) => leader?.group.includes(centre) !== true);
  return { leader, rivalWeight: Math.max(0, ...rivals.map(({ weight }) => weight)) };
}

type Pair = readonly [Ballot, Ballot];

const pairsOf = (ballots: readonly Ballot[]): Pair[] =>
  ballots.flatMap((one, at) => ballots.slice(at + 1).map((other): Pair => [one, other]));

/** How like one another these are, by the least or the most of them; nothing where it was not measured. */
function likeness(
  judgement: Judgement | undefined,
  pairs: readonly Pair[],
  choose: (...similarities: number[]) => number,
): { readonly similarity?: number } {
  const between = judgement?.similarity;
  if (between === undefined || pairs.length === 0) return {};
  return { similarity: choose(...pairs.map(([one, other]) => between(one.model, other.model))) };
}

function dissentOf(comparison: Comparison, { centre }: Leader, { model, answer, value }: Ballot): Dissent {
  const fields = comparison.by === "fields" ? { fields: comparison.differences(centre.value, value) } : {};
  return { model, text: answer.text, ...fields };
}

function fieldsInDispute(comparison: Comparison, ballots: readonly Ballot[]): string[] {
  const fields = ballots.flatMap((one) => ballots.flatMap((other) => comparison.differences(one.value, other.value)));
  return [...new Set(fields)].sort();
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0);
