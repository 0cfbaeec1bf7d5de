import type { ConsensusRule } from "./job/consensus.ts";
import type { PromptRequest } from "./job/row.ts";
import type { AskableVoter, RowVotes, Voter, Voters } from "./job/row-votes.ts";
import type { PlannedRoute } from "./routing/choose-model.ts";
import type { Need } from "./routing/estimate-run.ts";
import type { ExpandedVotes, PlannedVoter } from "./routing/expand-votes.ts";

/** What is planned of all rows that are put to models alike. */
export interface PlannedVotes extends ExpandedVotes {
  readonly asked: Voters;
  readonly planOf: ReadonlyMap<AskableVoter, PlannedRoute>;
  readonly tiers: readonly string[];
  readonly lane: string;
}

/** Rows of one rule wait in one line: where all their models have the same, in that one with the rows of one model. */
export function laneOf({ models }: ConsensusRule, lanesOfModels: Iterable<string>): string {
  const [lane, ...others] = new Set(lanesOfModels);
  return lane !== undefined && others.length === 0 ? lane : `votes of ${models.join(", ")}`;
}

/** @param placeOf where a row of that plan is asked, and what it waits in line for. */
export function planVotes(
  rule: ConsensusRule,
  expanded: ExpandedVotes,
  placeOf: (plan: PlannedRoute) => { readonly tier: string; readonly lane: string },
): PlannedVotes {
  const { task, voters, judge, stronger } = expanded;
  const planOf = new Map<AskableVoter, PlannedRoute>();
  const ready = (voter: PlannedVoter): Voter => {
    if ("barred" in voter) return voter;
    const { model, plan } = voter;
    const askable = { model, alias: plan.candidates[0]!, tier: placeOf(plan).tier };
    planOf.set(askable, plan);
    return askable;
  };
  const asked: Voters = {
    rule,
    task,
    voters: voters.map(ready),
    ...(judge === undefined ? {} : { judge: ready(judge) }),
    ...(stronger === undefined ? {} : { stronger: ready(stronger) }),
  };
  const places = [...planOf.values()].map(placeOf);
  const tiers = [...new Set(places.map(({ tier }) => tier))];
  return {
    ...expanded,
    asked,
    planOf,
    tiers,
    lane: laneOf(
      rule,
      places.map(({ lane }) => lane),
    ),
  };
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
