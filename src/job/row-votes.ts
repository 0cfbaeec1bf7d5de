import type { ConsensusRule } from "./consensus.ts";
import type { AnswerForm, PromptRequest } from "./row.ts";

/** A model that may be asked, as the rule names it and as the registry does. */
export interface AskableVoter {
  readonly model: string;
  readonly alias: string;
  readonly tier: string;
}

/** A model that a row is put to. */
export type Voter = AskableVoter | { readonly model: string; readonly barred: string };

/** Who is asked, the same for all rows that are put to models alike. */
export interface Voters {
  readonly rule: ConsensusRule;
  readonly task: string | null;
  /** One a model of the rule, in its order. */
  readonly voters: readonly Voter[];
  /** Who says which free texts mean the same: the rule's judge, or its model that makes embeddings. */
  readonly judge?: Voter;
  readonly stronger?: Voter;
}

/** A row that several models are asked. */
export interface RowVotes extends Voters {
  readonly id: string;
  readonly request: PromptRequest;
  readonly form: AnswerForm | undefined;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** JSON of the RowPayload for one of them: with the row's own request, or another. */
  readonly payloadOf: (voter: AskableVoter, request?: PromptRequest) => string;
}
