import { type ConsensusRule, type Vote, weightOf } from "../job/consensus.ts";
import type { AnswerForm } from "../job/row.ts";
import { type Count, countVotes, type Dissent, isOpenVote } from "./agreement.ts";
import { judgementOf } from "./judging.ts";
import { comparisonFor } from "./same-answer.ts";

/** All that is known of a row that several models are asked. */
export interface Voting {
  readonly rule: ConsensusRule;
  readonly form: AnswerForm | undefined;
  /** One a model of the rule, in its order. */
  readonly votes: readonly Vote[];
  /** Who says which free texts mean the same, once it is asked: a judge, or the model that embeds them. */
  readonly judge?: Vote | undefined;
  readonly stronger?: Vote | undefined;
}

/** By what an agreement was found. */
export type DecidedBy = Extract<Count, { by: unknown }>["by"] | "escalation";

export type Step =
  /** These models are to be asked now; none while those asked are waited for. */
  | { readonly kind: "ask"; readonly models: readonly string[] }
  /** Whoever judges is to be shown the answers there are. */
  | { readonly kind: "ask-judge" }
  | { readonly kind: "ask-stronger" }
  | Settled;

export type Settled =
  | {
      readonly kind: "agreed";
      /** Whose answer is the row's: one of those that agree, or the stronger model. */
      readonly model: string;
      readonly agreed: readonly string[];
      readonly share: number;
      readonly by: DecidedBy;
      readonly similarity?: number;
      readonly dissent: readonly Dissent[];
    }
  | {
      readonly kind: "no-consensus";
      readonly share: number;
      readonly by: DecidedBy;
      readonly similarity?: number;
      readonly fields: readonly string[];
      /** In words, quoting no answer. */
      readonly message: string;
    };

type None = Extract<Count, { kind: "none" }>;

const waiting: Step = { kind: "ask", models: [] };

/**
 * What comes next for a row that several models are asked: votes, then whoever judges where free texts differ and
 * somebody is named, then the stronger model, whose answer decides. Pure.
 */
export function nextStep(voting: Voting): Step {
  const { rule, form, votes, judge } = voting;
  if (rule.economy !== true) {
    // All are asked and waited for: they show how sure the answer is.
    const unasked = votes.filter(({ state }) => state === "unasked").map(({ model }) => model);
    if (unasked.length > 0 || votes.some(({ state }) => state === "asked")) return { kind: "ask", models: unasked };
  }
  const counted = countVotes(rule, form, votes);
  if (counted.kind === "open") return { kind: "ask", models: counted.ask };
  if (counted.kind === "agreed") return counted;
  if (!counted.isForJudge) return escalate(voting, counted, []);

  if (judge === undefined) return { kind: "ask-judge" };
  if (isOpenVote(judge)) return waiting;
  const who = rule.similarity === undefined ? `the judge ${judge.model}` : `the embeddings of ${judge.model}`;
  if (judge.state !== "answered") return escalate(voting, counted, [`${who}: ${reasonOf(judge)}`]);
  const judgement = judgementOf(voting, judge.json);
  if (typeof judgement === "string") return escalate(voting, counted, [`${who} ${judgement}`]);
  const judged = countVotes(rule, form, votes, judgement);
  return judged.kind === "none" ? escalate(voting, judged, []) : (judged as Settled);
}

function escalate(voting: Voting, none: None, notes: readonly string[]): Step {
  const { rule, stronger } = voting;
  if (rule.escalate === undefined) return noConsensus(voting, none, notes);
  if (stronger === undefined) return { kind: "ask-stronger" };
  if (isOpenVote(stronger)) return waiting;
  return (
    decidedBy(voting, stronger) ??
    noConsensus(voting, none, [...notes, `${stronger.model}, asked to decide: ${reasonOf(stronger)}`])
  );
}

const reasonOf = (vote: Vote): string => (vote.state === "failed" ? vote.reason : "its answer is empty");

/** The stronger model's answer, and who agrees with it; undefined when it has none. */
function decidedBy({ rule, form, votes }: Voting, stronger: Vote): Settled | undefined {
  const { comparable, differences, by } = comparisonFor(form, rule.tolerance);
  const decision = stronger.state === "answered" ? comparable(stronger) : undefined;
  if (decision === undefined) return undefined;
  const agreed: string[] = [];
  const dissent: Dissent[] = [];
  let weight = 0;
  for (const vote of votes) {
    const compared = vote.state === "answered" ? comparable(vote) : undefined;
    if (vote.state !== "answered" || compared === undefined) continue;
    const fields = differences(decision.value, compared.value);
    if (fields.length === 0) {
      agreed.push(vote.model);
      weight += weightOf(rule, vote.model);
    } else dissent.push({ model: vote.model, text: vote.text, ...(by === "fields" ? { fields } : {}) });
  }
  const total = votes.reduce((sum, { model }) => sum + weightOf(rule, model), 0);
  return { kind: "agreed", model: stronger.model, agreed, share: weight / total, by: "escalation", dissent };
}

function noConsensus({ rule, form, votes }: Voting, none: None, notes: readonly string[]): Settled {
  const { share, by, fields, isTie, similarity } = none;
  const without = votes.filter(({ state }) => state === "failed").map(({ model }) => model);
  const { comparable } = comparisonFor(form, rule.tolerance);
  const empty = votes.filter((vote) => vote.state === "answered" && comparable(vote) === undefined);
  const message = [
    isTie
      ? `two answers have the same share of the votes, ${percent(share)}`
      : `the largest share for one answer is ${percent(share)}, needed are ${percent(rule.threshold)}`,
    ...(without.length === 0 ? [] : [`no vote of ${without.join(", ")}`]),
    ...(empty.length === 0 ? [] : [`an empty answer of ${empty.map(({ model }) => model).join(", ")}`]),
    ...(similarity === undefined || rule.similarity === undefined
      ? []
      : [
          `of the answers that differ the two most alike have a similarity of ${similarity}, needed is ${rule.similarity.atLeast}`,
        ]),
    ...notes,
  ].join("; ");
  return { kind: "no-consensus", share, by, ...(similarity === undefined ? {} : { similarity }), fields, message };
}

const percent = (share: number): string => `${Math.round(share * 1_000) / 10} %`;
