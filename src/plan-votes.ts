import type { ConsensusRule } from "./job/consensus.ts";
import { questionOf } from "./job/question-of.ts";
import type { PromptRequest, PromptRow } from "./job/row.ts";
import type { RowVotes, Voter } from "./job/row-votes.ts";
import type { PlannedRoute } from "./routing/choose-model.ts";
import type { Need } from "./routing/estimate-run.ts";
import type { ExpandedVotes, PlannedVoter } from "./routing/expand-votes.ts";

/** How the votes of a row are made ready for the queues. */
export interface VotePreparation {
  /** JSON of the payload of a row without its metadata: the result has that, its votes need none. */
  readonly payloadOf: (plan: PlannedRoute, request: PromptRequest) => string;
  readonly placeOf: (plan: PlannedRoute) => { readonly tier: string; readonly lane: string };
}

export interface PreparedVotes {
  readonly tiers: readonly string[];
  readonly lane: string;
  readonly votes: RowVotes;
}

/** Rows of one rule wait in one line: where all their models have the same, in that one with the rows of one model. */
export function laneOf({ models }: ConsensusRule, lanesOfModels: Iterable<string>): string {
  const [lane, ...others] = new Set(lanesOfModels);
  return lane !== undefined && others.length === 0 ? lane : `votes of ${models.join(", ")}`;
}

/** What the queues take of a row that is put to several models. Payloads are made when a model is asked. */
export function votesOf(
  row: PromptRow,
  rule: ConsensusRule,
  { task, voters, judge, stronger }: ExpandedVotes,
  { payloadOf, placeOf }: VotePreparation,
): PreparedVotes {
  const { id, request, metadata } = row;
  const [tiers, lanes] = [new Set<string>(), new Set<string>()];
  const ready = (voter: PlannedVoter): Voter => {
    if ("barred" in voter) return voter;
    const { model, plan } = voter;
    const { tier, lane } = placeOf(plan);
    tiers.add(tier);
    lanes.add(lane);
    return { model, alias: plan.candidates[0]!, tier, payloadOf: (other = request) => payloadOf(plan, other) };
  };
  const votes: RowVotes = {
    rule,
    form: request.answerForm,
    question: questionOf(request),
    id,
    task,
    ...(metadata === undefined ? {} : { metadata }),
    voters: voters.map(ready),
    ...(judge === undefined ? {} : { judge: ready(judge) }),
    ...(stronger === undefined ? {} : { stronger: ready(stronger) }),
  };
  return { tiers: [...tiers], lane: laneOf(rule, lanes), votes };
}

/** A call that a row may take. */
export interface PlannedCall {
  readonly alias: string;
  /** Of one that perhaps is not made. */
  readonly need?: Need | undefined;
  /** What is asked beside the answers shown, where it is not the row's own question. */
  readonly request?: PromptRequest | undefined;
}

/** Embeddings are made of the answers alone. */
const answersAlone: PromptRequest = { messages: [], endpoint: "/v1/embeddings", openaiBody: { input: [] } };

/** All models that may be asked of a row that is put to several, and who decides between them. */
export function callsOf({ rule, voters, judge, stronger, form }: RowVotes): PlannedCall[] {
  const call = (voter: Voter | undefined, need?: Need, request?: PromptRequest): PlannedCall[] =>
    voter !== undefined && "alias" in voter ? [{ alias: voter.alias, need, request }] : [];
  const askable = voters.flatMap((voter) => call(voter));
  // Free texts hardly ever agree by their words: then whoever judges is asked, and without one the stronger model.
  const isFreeText = form === undefined;
  const judging = rule.similarity === undefined ? undefined : answersAlone;
  return [
    ...askable,
    ...(isFreeText ? call(judge, { likely: 1, answersShown: askable.length }, judging) : []),
    ...call(stronger, { likely: isFreeText && judge === undefined ? 1 : 0, answersShown: 0 }),
  ];
}
