import type { Config } from "../config/config.ts";
import type { ConsensusRule } from "../job/consensus.ts";
import { UserError } from "../job/errors.ts";
import { modelsNamed } from "./named-models.ts";

/** What a question may say of how its models are to agree. */
export interface AskedRule {
  readonly models: readonly string[];
  readonly threshold: number;
  readonly economy?: boolean | undefined;
  readonly judge?: string | undefined;
  readonly escalate?: string | undefined;
}

/** What a question's parts are called where it is asked: `--models`, `models`. */
export type RuleNames = Readonly<Record<"models" | "threshold" | "judge" | "escalate", string>>;

/**
 * The rule of a question, with the aliases of its models.
 * @throws UserError for fewer than two models, one twice or unknown, and for a threshold that no votes could meet.
 */
export function consensusRuleOf(config: Config, asked: AskedRule, names: RuleNames): ConsensusRule {
  const { threshold, economy = false, judge, escalate } = asked;
  const models = modelsNamed(config, asked.models, names.models).map(({ alias }) => alias);
  if (models.length < 2) {
    throw new UserError(`${names.models}: expected at least two models to agree, found ${models.length}`);
  }
  if (!(threshold > 0 && threshold <= 1)) {
    throw new UserError(
      `${names.threshold}: expected the share that must agree, above 0 and at most 1, for example 0.66; found ${threshold}`,
    );
  }
  const aliasOf = (name: string, where: string) => modelsNamed(config, [name], where)[0]!.alias;
  return {
    models,
    threshold,
    economy,
    ...(judge === undefined ? {} : { judge: aliasOf(judge, names.judge) }),
    ...(escalate === undefined ? {} : { escalate: aliasOf(escalate, names.escalate) }),
  };
}
