import type { ConsensusRule, Vote } from "../job/consensus.ts";
import type { AnswerForm, Message, PromptRequest } from "../job/row.ts";
import type { GivenAnswer, Judgement } from "./agreement.ts";
import { judgeRequest, readJudgement } from "./judge.ts";
import { comparisonFor } from "./same-answer.ts";
import { readSimilarity, similarityRequest } from "./similarity.ts";

/** Votes on free texts that differ in their words. */
interface Judged {
  readonly rule: ConsensusRule;
  readonly form: AnswerForm | undefined;
  readonly votes: readonly Vote[];
}

/** What is sent to whoever says which of the answers mean the same: to a judge, or to a model that embeds them. */
export function judgingRequest(judged: Judged, question: readonly Message[]): PromptRequest {
  const answers = answersToJudge(judged);
  return judged.rule.similarity === undefined ? judgeRequest(question, answers) : similarityRequest(answers);
}

/** What the judge has said, or in words that follow its name what is wrong with that. */
export function judgementOf(judged: Judged, json: unknown): Judgement | string {
  const answers = answersToJudge(judged);
  const { similarity } = judged.rule;
  if (similarity !== undefined) return readSimilarity(json, answers, similarity.atLeast);
  return readJudgement(json, answers) ?? "answered no judgement";
}

/** The answers that are no empty ones, in the order of the rule. */
function answersToJudge({ rule, form, votes }: Judged): GivenAnswer[] {
  const { comparable } = comparisonFor(form, rule.tolerance);
  return votes.flatMap((vote) =>
    vote.state === "answered" && comparable(vote) !== undefined ? [{ model: vote.model, text: vote.text }] : [],
  );
}
