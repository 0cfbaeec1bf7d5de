import type { AskOne } from "./ask-models.ts";
import { type ConsensusRule, judgeOf, type Vote } from "./job/consensus.ts";
import type { ResultLine } from "./job/result.ts";
import type { AnswerForm, PromptRequest } from "./job/row.ts";
import type { PlannedRow } from "./plan-row.ts";
import { judgingRequest } from "./results/judging.ts";
import { nextStep, type Settled } from "./results/next-step.ts";
import { voteOf } from "./results/voting.ts";

/** A question that several models are to agree on. */
export interface ConsensusQuestion {
  readonly rule: ConsensusRule;
  readonly form: AnswerForm | undefined;
  /** The question to one model; what a judge is asked instead of it. */
  readonly rowFor: (model: string, instead?: PromptRequest) => PlannedRow;
  /** What a judge is told was asked. */
  readonly question: PromptRequest["messages"];
}

/** What a model was asked for; `similarity`: for embeddings of the answers. */
export type VoteRole = "vote" | "judge" | "similarity" | "decides";

export interface VoteResult {
  readonly model: string;
  readonly role: VoteRole;
  readonly result: ResultLine;
}

export interface Consensus {
  readonly settled: Settled;
  /** Of all that have ended, in the order in which they did. */
  readonly results: readonly VoteResult[];
}

/**
 * Asks the models of a rule for their votes and whoever decides where these differ. With `economy` it ends as soon as the
 * outcome is settled; without it all votes are waited for, so that dissent shows.
 */
export async function askConsensus(
  { rule, form, rowFor, question }: ConsensusQuestion,
  ask: AskOne,
  onResult: (ended: VoteResult) => void,
): Promise<Consensus> {
  const votes = new Map<string, Vote>(rule.models.map((model) => [model, { model, state: "unasked" }]));
  const results: VoteResult[] = [];
  const running = new Set<Promise<void>>();
  let judge: Vote | undefined;
  let stronger: Vote | undefined;

  function set(role: VoteRole, vote: Vote): void {
    if (role === "vote") votes.set(vote.model, vote);
    else if (role === "decides") stronger = vote;
    else judge = vote;
  }

  function start(role: VoteRole, model: string, row: PlannedRow): void {
    set(role, { model, state: "asked" });
    const ended = ask(row).then((result) => {
      running.delete(ended);
      const one = { model, role, result };
      results.push(one);
      onResult(one);
      set(role, voteOf(model, result));
    });
    running.add(ended);
  }

  for (;;) {
    const voting = { rule, form, votes: [...votes.values()], judge, stronger };
    const step = nextStep(voting);
    if (step.kind === "ask") {
      for (const model of step.models) start("vote", model, rowFor(model));
    } else if (step.kind === "ask-judge") {
      const model = judgeOf(rule)!;
      start(
        rule.similarity === undefined ? "judge" : "similarity",
        model,
        rowFor(model, judgingRequest(voting, question)),
      );
    } else if (step.kind === "ask-stronger") {
      start("decides", rule.escalate!, rowFor(rule.escalate!));
    } else {
      return { settled: step, results };
    }
    await Promise.race(running);
  }
}

/** The answer that a consensus settled on; undefined where there is none. */
export function agreedAnswer({ settled, results }: Consensus): ResultLine | undefined {
  if (settled.kind === "no-consensus") return undefined;
  const role = settled.by === "escalation" ? "decides" : "vote";
  return results.find((one) => one.model === settled.model && one.role === role)?.result;
}

/** What `ask --json` and the tools of the MCP server say of it. */
export function consensusJson(consensus: Consensus, { threshold }: ConsensusRule) {
  const { settled } = consensus;
  const answer = agreedAnswer(consensus);
  const isAgreed = settled.kind === "agreed";
  return {
    state: isAgreed ? ("agreed" as const) : ("no_consensus" as const),
    text: answer?.text ?? null,
    ...(answer?.json === undefined ? {} : { json: answer.json }),
    share: settled.share,
    threshold,
    by: settled.by,
    ...(settled.similarity === undefined ? {} : { similarity: settled.similarity }),
    agreed: isAgreed ? settled.agreed : [],
    dissent: isAgreed ? settled.dissent : [],
    ...(isAgreed ? {} : { message: settled.message, fields: settled.fields }),
  };
}

/** An answer beside others: a result without what only a batch has. */
export function answerJson({ model, role, result }: VoteResult) {
  const { id: _id, index: _index, metadata: _metadata, openai_body: _embeddings, ...rest } = result;
  return { ...rest, model, role };
}
