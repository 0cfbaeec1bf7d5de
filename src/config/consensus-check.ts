import { type ConsensusRule, mostVoters } from "../job/consensus.ts";
import type { Provider } from "./config.ts";
import { suggestName } from "./nearest.ts";
import type { Problem } from "./problems.ts";
import { providerFacts } from "./providers.ts";

/** A rule as it was given, by a task, a row, flags or a tool's arguments. */
export type GivenRule = { readonly [Key in keyof ConsensusRule]?: ConsensusRule[Key] | undefined };

/** The models that a rule may name. */
export interface KnownModels {
  /** Undefined: there is none of that name. */
  readonly modelOf: (
    name: string,
  ) => { readonly tier?: string | undefined; readonly model?: string | undefined } | undefined;
  /** To suggest one from. */
  readonly names: readonly string[];
  readonly tiers: Readonly<Record<string, { readonly provider?: Provider | undefined }>>;
}

/** What of a rule contradicts itself, whatever models there are. */
export function contradictionsOf({ models = [], weights = {}, escalate, judge, similarity }: GivenRule): Problem[] {
  const problems: Problem[] = [];
  const report = (path: Problem["path"], expected: string, found: string, mend: string) =>
    problems.push({ path, expected, found, mend });
  const different = new Set(models).size;
  if (different < 2) report(["models"], "at least two different models", String(different), "name another one");
  if (models.length > mostVoters) {
    report(["models"], `at most ${mostVoters} models`, String(models.length), "leave some out");
  }
  for (const [at, model] of models.entries()) {
    if (models.indexOf(model) < at) report(["models", at], "different models", `${model} twice`, leaveOut);
  }
  for (const model of Object.keys(weights)) {
    if (models.includes(model)) continue;
    report(["weights", model], "weights of the models that vote", `"${model}"`, "remove it, or add it to the models");
  }
  if (escalate !== undefined && models.includes(escalate)) problems.push(hasVoted(escalate));
  if (judge !== undefined && similarity !== undefined) {
    report(["similarity"], "a judge or a similarity", "both", leaveOut);
  }
  return problems;
}

const leaveOut = "leave one out";

const hasVoted = (escalate: string): Problem => ({
  path: ["escalate"],
  expected: "a model that has not voted",
  found: `"${escalate}"`,
  mend: "name a stronger one",
});

/** All that is wrong with a rule where its models are known: the one check of rules, wherever they come from. */
export function problemsOfRule(rule: GivenRule, known: KnownModels): Problem[] {
  const { models = [], judge, escalate, similarity } = rule;
  const named: [Problem["path"], string][] = [
    ...models.map((model, at): [Problem["path"], string] => [["models", at], model]),
    ...Object.entries({ judge, escalate }).flatMap(([key, name]): [Problem["path"], string][] =>
      name === undefined ? [] : [[[key], name]],
    ),
    ...(similarity === undefined ? [] : [[["similarity", "model"], similarity.model] as [Problem["path"], string]]),
  ];
  const same = sameModel(models, known.modelOf);
  const decides = escalate === undefined || models.includes(escalate) ? undefined : escalate;
  return [
    ...contradictionsOf(rule),
    ...named.flatMap(([path, name]) => (known.modelOf(name) === undefined ? [unknownModel(path, name, known)] : [])),
    ...(same === undefined || same.isOneName ? [] : [{ ...same, path: ["models", same.at] }]),
    ...(decides !== undefined && models.some((model) => sameModel([model, decides], known.modelOf) !== undefined)
      ? [hasVoted(decides)]
      : []),
    ...(similarity === undefined ? [] : noEmbeddings(similarity.model, rule, known)),
  ];
}

/** What a provider has is known; whether a model of it makes embeddings is not, but one that answers makes none. */
function noEmbeddings(name: string, { models = [], escalate }: GivenRule, { modelOf, tiers }: KnownModels): Problem[] {
  const tier = modelOf(name)?.tier;
  const provider = tier === undefined ? undefined : tiers[tier]?.provider;
  if (tier === undefined || provider === undefined) return [];
  const isAsked = [...models, ...(escalate === undefined ? [] : [escalate])].some(
    (model) => sameModel([model, name], modelOf) !== undefined,
  );
  const has = (one: Provider | undefined): boolean =>
    one !== undefined && providerFacts[one].endpoints?.includes("/v1/embeddings") === true;
  if (!isAsked && has(provider)) return [];
  const having = Object.keys(tiers).filter((one) => has(tiers[one]?.provider));
  const found = isAsked ? `"${name}", which answers` : `"${name}", whose tier ${tier} has no /v1/embeddings`;
  const mend = having.length === 0 ? "no tier has it" : `tiers that have it: ${having.join(", ")}`;
  return [{ path: ["similarity", "model"], expected: "a model that makes embeddings", found, mend }];
}

function unknownModel(path: Problem["path"], name: string, { names }: KnownModels): Problem {
  const shown = name.slice(0, 100);
  return { path, expected: "a model of this config", found: `"${shown}"`, mend: suggestName(shown, names) };
}

/** The first of these names that is a model that was named before. */
export function sameModel(names: readonly string[], modelOf: KnownModels["modelOf"]) {
  const seen = new Map<string, string>();
  for (const [at, name] of names.entries()) {
    const model = modelOf(name);
    if (model === undefined) continue;
    const key = `${model.tier}/${model.model}`;
    const before = seen.get(key);
    if (before !== undefined) {
      const isOneName = before === name;
      const found = isOneName ? `${name} twice` : `${before} and ${name}, which are the same model`;
      return { at, isOneName, expected: "different models", found, mend: leaveOut };
    }
    seen.set(key, name);
  }
  return undefined;
}
