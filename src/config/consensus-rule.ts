import { z } from "zod";
import type { ConsensusRule } from "../job/consensus.ts";
import { mostVoters } from "../job/consensus.ts";
import { type Problem, pathText, problemsOf } from "./problems.ts";
import { closed, text } from "./schema-parts.ts";

/* How several models are asked one question, in a task of models.json and in a row. */

const share = "a share above 0, at most 1, such as 0.66";
const alias = text("the alias of a model");
const weight = "a number above 0";

export const consensus = closed(
  {
    models: z.array(alias, "a list of model aliases").optional(),
    threshold: z.number(share).positive(share).max(1, share).optional(),
    weights: z.record(z.string(), z.number(weight).positive(weight), "an object of weights by model").optional(),
    economy: z.boolean("true or false").optional(),
    escalate: alias.optional(),
    judge: alias.optional(),
    tolerance: z.number("a number, 0 or more").nonnegative("a number, 0 or more").optional(),
  },
  'a consensus such as { "models": ["claude.haiku", "openai.gpt4", "local.llama3"], "threshold": 0.66 }',
);
export type ConsensusFile = z.infer<typeof consensus>;

/** Two of three. */
const defaultThreshold = 0.66;

export function buildConsensus({ models = [], threshold = defaultThreshold, ...rest }: ConsensusFile): ConsensusRule {
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
  return { models, threshold, ...given };
}

/** What of a consensus contradicts itself, whatever models there are. */
export function contradictionsOf({ models = [], weights = {}, escalate }: ConsensusFile): Problem[] {
  const problems: Problem[] = [];
  const report = (path: Problem["path"], expected: string, found: string, mend: string) =>
    problems.push({ path, expected, found, mend });
  const different = new Set(models).size;
  if (different < 2) report(["models"], "at least two different models", String(different), "name another one");
  if (models.length > mostVoters) {
    report(["models"], `at most ${mostVoters} models`, String(models.length), "leave some out");
  }
  for (const [at, model] of models.entries()) {
    if (models.indexOf(model) < at) report(["models", at], "each model once", `"${model}" again`, "remove it");
  }
  for (const model of Object.keys(weights)) {
    if (models.includes(model)) continue;
    report(["weights", model], "weights of the models that vote", `"${model}"`, "remove it, or add it to the models");
  }
  if (escalate !== undefined && models.includes(escalate)) {
    report(["escalate"], "a model that has not voted", `"${escalate}"`, "name a stronger one");
  }
  return problems;
}

/** The rule that a row brings, or why it brings none, in words that follow the line number. */
export function readConsensus(value: unknown): ConsensusRule | string {
  const key = JSON.stringify(value);
  let known = rules.get(key);
  if (known === undefined) {
    known = read(value);
    rules.set(key, known);
    if (rules.size > mostRules) rules.delete(rules.keys().next().value!);
  }
  return known;
}

/** Of recent rows: most bring the same one, and what is worked out for it is found by it. */
const rules = new Map<string, ConsensusRule | string>();
const mostRules = 200;

function read(value: unknown): ConsensusRule | string {
  const parsed = consensus.safeParse(value);
  const problems = parsed.success ? contradictionsOf(parsed.data) : problemsOf(parsed.error.issues, value);
  if (parsed.success && problems.length === 0) return Object.freeze(buildConsensus(parsed.data));
  const { path, expected, found } = problems[0]!;
  return `${pathText(["consensus", ...path])}: expected ${expected}; found ${found}`;
}

/** The rule in a text of JSON, or why there is none. */
export function readConsensusText(text: string): ConsensusRule | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return readConsensus(value);
  return 'consensus: expected JSON such as {"models":["a","b","c"],"threshold":0.66}, found something else';
}

/** The rule that `--consensus` and `--consensus-models` give, if any. */
export function consensusOfFlags(flags: {
  readonly consensus?: number | undefined;
  readonly consensusModels?: readonly string[] | undefined;
}): ConsensusRule | string | undefined {
  const { consensus: threshold, consensusModels: models } = flags;
  if (threshold === undefined && models === undefined) return undefined;
  if (models === undefined) return "--consensus: expected --consensus-models a,b,c beside it, found none";
  const rule = read({ models, ...(threshold === undefined ? {} : { threshold }) });
  return typeof rule === "string" ? rule.replace(/^consensus\./, "--consensus-") : rule;
}
