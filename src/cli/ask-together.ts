import { performance } from "node:perf_hooks";
import type { Consensus, VoteResult } from "../ask-consensus.ts";
import type { AskOptions } from "../ask-models.ts";
import type { ConsensusRule } from "../job/consensus.ts";
import type { AnswerForm, PromptRequest } from "../job/row.ts";
import type { OpenFleet } from "../open-fleet.ts";
import type { PlannedRow } from "../plan-row.ts";
import { startAskDisplay } from "./ask-display.ts";
import { consensusLines } from "./consensus-lines.ts";

/** A fleet that was joined to ask in it. */
export interface Asking {
  readonly opened: OpenFleet;
  readonly ask: Omit<AskOptions, "onWait">;
}

/** Fields of a flat row. */
export type Question = Readonly<Record<string, unknown>>;

export interface TogetherOptions {
  /** By alias. */
  readonly questions: ReadonlyMap<string, Question>;
  /** What all of them are asked apart from their own prompts. */
  readonly shared: Question;
  /** How they are to agree; undefined: nobody counts. */
  readonly rule: ConsensusRule | undefined;
  readonly form: AnswerForm | undefined;
}

/** Several models on one question: side by side, and what they agree on where a rule is given. */
export async function askSideBySide(
  { questions, shared, rule, form }: TogetherOptions,
  { opened, ask }: Asking,
  json: boolean,
): Promise<number> {
  const { askTogether, planQuestion } = await import("../ask-models.ts");
  const { answerJson, askConsensus, consensusJson } = await import("../ask-consensus.ts");
  const startedMs = performance.now();
  const aliases = [...questions.keys()];
  const display = json ? undefined : startAskDisplay(aliases, process);

  const rowFor = (model: string, instead?: PromptRequest): PlannedRow => {
    if (instead === undefined) return planQuestion({ ...(questions.get(model) ?? shared), model }, model, opened.plan);
    const { task } = shared as { task?: string };
    const about = { id: model, model, private: shared.private === true, ...(task === undefined ? {} : { task }) };
    return opened.plan({ ...about, request: instead });
  };

  const question = [{ role: "user" as const, content: String(shared.prompt) }];
  const { results, consensus } = await askTogether({ ...ask, onWait: display?.wait }, async (askOne) => {
    if (rule !== undefined) {
      const found = await askConsensus({ rule, form, rowFor, question }, askOne, ({ model, role, result }) => {
        if (role === "vote") display?.show(model, result);
      });
      return { results: found.results, consensus: found };
    }
    const all = aliases.map(async (model) => {
      const result = await askOne(rowFor(model));
      display?.show(model, result);
      return { model, role: "vote" as const, result };
    });
    return { results: await Promise.all(all), consensus: undefined };
  }).finally(() => display?.end());

  /** As they were named; who judges or decides comes last. */
  const placeOf = ({ role, model }: VoteResult) => (role === "vote" ? aliases.indexOf(model) : aliases.length);

  if (json) {
    const said = {
      answers: results.toSorted((one, other) => placeOf(one) - placeOf(other)).map(answerJson),
      ...(consensus === undefined || rule === undefined ? {} : { consensus: consensusJson(consensus, rule) }),
      cost_usd: results.reduce((sum, { result }) => sum + result.cost_usd, 0),
      wall_s: Math.round(performance.now() - startedMs) / 1_000,
    };
    process.stdout.write(`${JSON.stringify(said)}\n`);
  } else if (consensus !== undefined && rule !== undefined) {
    process.stdout.write(`${consensusLines(consensus, rule).join("\n")}\n`);
  }
  return exitCodeOf(results, consensus);
}

/** Whoever asked for a consensus and has one does not mind who failed. */
function exitCodeOf(results: Consensus["results"], consensus: Consensus | undefined): number {
  const isGood = consensus?.settled.kind === "agreed" || results.every(({ result }) => result.status === "answered");
  return isGood && consensus?.settled.kind !== "no-consensus" ? 0 : 2;
}
