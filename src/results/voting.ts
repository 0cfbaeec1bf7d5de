import { judgeSlot, strongerSlot, type Vote } from "../job/consensus.ts";
import type { ConsensusReport, ResultLine, VoteReport } from "../job/result.ts";
import type { RowVotes, Voter } from "../job/row-votes.ts";
import type { Settled, Voting } from "./next-step.ts";

/** What is known of a vote by its place: when it was asked, what came of it; `withdrawn`: not needed any more. */
export type SlotState = { readonly askedAtMs: number } | "withdrawn" | ResultLine;
export type Slots = ReadonlyMap<number, SlotState>;

export const isResult = (state: SlotState | undefined): state is ResultLine =>
  typeof state === "object" && "status" in state;
export const isAsked = (state: SlotState | undefined): state is { readonly askedAtMs: number } =>
  typeof state === "object" && "askedAtMs" in state;

/** What a model has voted, when its row has ended so. Embeddings are no text: they stand in the provider's answer. */
export function voteOf(model: string, { status, text, json, error, openai_body: body }: ResultLine): Vote {
  if (status === "failed") return { model, state: "failed", reason: error?.code ?? "failed" };
  return { model, state: "answered", text: text ?? "", json: text === null ? body : json };
}

/**
 * What the votes of a row say, for `nextStep`.
 * @param isLate whether a vote asked then of that tier is no longer counted on.
 */
export function votingOf(
  votes: RowVotes,
  slots: Slots,
  isLate: (tier: string, askedAtMs: number) => boolean = () => false,
): Voting {
  const vote = (voter: Voter, slot: number): Vote => {
    const { model } = voter;
    if ("barred" in voter) return { model, state: "failed", reason: voter.barred };
    const state = slots.get(slot);
    if (state === undefined) return { model, state: "unasked" };
    if (state === "withdrawn") return { model, state: "failed", reason: "it was not waited for" };
    if (isAsked(state)) return { model, state: isLate(voter.tier, state.askedAtMs) ? "late" : "asked" };
    if (state.model !== voter.alias) {
      const reason = `${state.model ?? "another model"} was asked in its place, before the configuration changed`;
      return { model, state: "failed", reason };
    }
    return voteOf(model, state);
  };
  const asked = (voter: Voter | undefined, slot: number): Vote | undefined =>
    voter === undefined || (!("barred" in voter) && !slots.has(slot)) ? undefined : vote(voter, slot);
  const { rule, form, voters, judge, stronger } = votes;
  return {
    rule,
    form,
    votes: voters.map(vote),
    judge: asked(judge, judgeSlot),
    stronger: asked(stronger, strongerSlot),
  };
}

/** The one result of a row that several models were asked. */
export function consensusLine(row: number, votes: RowVotes, slots: Slots, settled: Settled): ResultLine {
  const reports = reportsOf(votes, slots, settled);
  const sum = (of: (report: VoteReport) => number) => reports.reduce((total, report) => total + of(report), 0);
  const isAgreed = settled.kind === "agreed";
  const answer = isAgreed ? answerOf(votes, slots, settled.model) : undefined;
  const consensus: ConsensusReport = {
    agreed: isAgreed,
    share: Math.round(settled.share * 1e6) / 1e6,
    by: settled.by,
    ...(settled.similarity === undefined ? {} : { similarity: settled.similarity }),
    ...(settled.kind === "no-consensus" && settled.fields.length > 0 ? { fields: settled.fields } : {}),
    votes: reports,
  };
  return {
    id: votes.id,
    index: row,
    task: votes.task,
    status: isAgreed ? "answered" : "failed",
    text: answer?.text ?? null,
    ...(answer?.json === undefined ? {} : { json: answer.json }),
    model: answer?.model ?? null,
    tier: answer?.tier ?? null,
    finish_reason: answer?.finish_reason ?? null,
    usage: {
      input_tokens: sum(({ usage }) => usage.input_tokens),
      output_tokens: sum(({ usage }) => usage.output_tokens),
      cached_tokens: sum(({ usage }) => usage.cached_tokens),
    },
    cost_usd: sum(({ cost_usd }) => cost_usd),
    // Votes are asked side by side, a judge and a stronger model after them.
    latency_ms:
      Math.max(...reports.map(({ role, latency_ms }) => (role === undefined ? latency_ms : 0))) +
      sum(({ role, latency_ms }) => (role === undefined ? 0 : latency_ms)),
    attempts: sum(({ attempts }) => attempts),
    error: isAgreed ? null : { code: "no_consensus", message: settled.message },
    consensus,
    ...(votes.metadata === undefined ? {} : { metadata: votes.metadata }),
    ...(answer?.openai_body === undefined ? {} : { openai_body: answer.openai_body }),
    ...(answer?.anthropic_body === undefined ? {} : { anthropic_body: answer.anthropic_body }),
  };
}

function answerOf({ voters, stronger }: RowVotes, slots: Slots, model: string): ResultLine | undefined {
  const slot = stronger?.model === model ? strongerSlot : voters.findIndex((voter) => voter.model === model);
  const state = slots.get(slot);
  return isResult(state) ? state : undefined;
}

function reportsOf({ rule, voters, judge, stronger }: RowVotes, slots: Slots, settled: Settled): VoteReport[] {
  const dissent = new Map(settled.kind === "agreed" ? settled.dissent.map((one) => [one.model, one]) : []);
  const report = (voter: Voter, slot: number, role?: VoteReport["role"]): VoteReport => {
    const { model } = voter;
    const state = slots.get(slot);
    const hasVote = role === undefined || role === "escalation";
    const agreed = settled.kind === "agreed" && hasVote && (settled.agreed.includes(model) || settled.model === model);
    const { fields, similarity } = (role === undefined ? dissent.get(model) : undefined) ?? {};
    const { tier, text, usage, cost_usd, latency_ms, attempts, error } = isResult(state) ? state : unsaid(voter);
    return {
      model,
      ...(role === undefined ? {} : { role }),
      tier,
      text,
      agreed,
      ...(fields === undefined ? {} : { fields }),
      ...(similarity === undefined ? {} : { similarity }),
      usage,
      cost_usd,
      latency_ms,
      attempts,
      error,
    };
  };
  const judgeRole = rule.similarity === undefined ? "judge" : "similarity";
  const wasAsked = (slot: number): boolean => isResult(slots.get(slot));
  return [
    ...voters.map((voter, slot) => report(voter, slot)),
    ...(judge !== undefined && wasAsked(judgeSlot) ? [report(judge, judgeSlot, judgeRole)] : []),
    ...(stronger !== undefined && wasAsked(strongerSlot) ? [report(stronger, strongerSlot, "escalation")] : []),
  ];
}

const noUsage = { input_tokens: 0, output_tokens: 0, cached_tokens: 0 };

/** What is reported of a model without a result: it may not be asked, or was not waited for. */
function unsaid(voter: Voter) {
  const error = "barred" in voter ? ({ code: "policy_refused", message: voter.barred } as const) : null;
  const tier = "barred" in voter ? null : voter.tier;
  return { tier, text: null, usage: noUsage, cost_usd: 0, latency_ms: 0, attempts: 0, error };
}
