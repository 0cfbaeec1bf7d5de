import { findModel } from "../config/ad-hoc.ts";
import type { Config } from "../config/config.ts";
import { type GivenRule, problemsOfRule } from "../config/consensus-check.ts";
import { readRule, ruleProblemText } from "../config/consensus-rule.ts";
import { type Problem, problemText } from "../config/problems.ts";
import type { ConsensusRule } from "../job/consensus.ts";
import { UserError } from "../job/errors.ts";

/** Says what is wrong with a rule that a row, a task or a batch brings, if anything is; each rule is looked at once. */
export type RuleCheck = (rule: ConsensusRule) => string | undefined;

export function createRuleCheck(config: Config): RuleCheck {
  const known = new WeakMap<ConsensusRule, { readonly wrong: string | undefined }>();
  return (rule) => {
    let looked = known.get(rule);
    if (looked === undefined) {
      const problem = problemOf(rule, config);
      looked = { wrong: problem && ruleProblemText(problem) };
      known.set(rule, looked);
    }
    return looked.wrong;
  };
}

function problemOf(rule: ConsensusRule, config: Config): Problem | undefined {
  const modelOf = (name: string) => findModel(config, name);
  return problemsOfRule(rule, { modelOf, names: Object.keys(config.models), tiers: config.tiers })[0];
}

/**
 * The rule of a question or a run, with the aliases of its models.
 * @param whereOf what a field of the rule is called where it is given: `--models`, `models`.
 * @throws UserError for what is wrong with it.
 */
export function consensusRuleOf(config: Config, asked: GivenRule, whereOf: (field: string) => string): ConsensusRule {
  const rule = readRule(asked);
  const problem = "expected" in rule ? rule : problemOf(rule, config);
  if (problem !== undefined) throw new UserError(problemText(whereOf(String(problem.path[0])), problem));
  const { models, judge, escalate, similarity, ...rest } = rule as ConsensusRule;
  const aliasOf = (name: string): string => findModel(config, name)!.alias;
  return {
    ...rest,
    models: models.map(aliasOf),
    ...(judge === undefined ? {} : { judge: aliasOf(judge) }),
    ...(escalate === undefined ? {} : { escalate: aliasOf(escalate) }),
    ...(similarity === undefined ? {} : { similarity: { ...similarity, model: aliasOf(similarity.model) } }),
  };
}
