import type { ConsensusRule } from "./consensus.ts";
import type { AnswerForm, Message, PromptRequest } from "./row.ts";

/** A model that a row is put to. */
export type Voter =
  | {
      /** As the rule names it, and as the registry does. */
      readonly model: string;
      readonly alias: string;
      readonly tier: string;
      /** JSON of its RowPayload: with the row's own request, or another. */
      readonly payloadOf: (request?: PromptRequest) => string;
    }
  | { readonly model: string; readonly barred: string };

/** A row that several models are asked. */
export interface RowVotes {
  readonly rule: ConsensusRule;
  readonly form: AnswerForm | undefined;
  /** What was asked, for a judge to read. */
  readonly question: readonly Message[];
  readonly id: string;
  readonly task: string | null;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** One a model of the rule, in its order. */
  readonly voters: readonly Voter[];
  /** Who says which free texts mean the same: the rule's judge, or its model that makes embeddings. */
  readonly judge?: Voter;
  readonly stronger?: Voter;
}
