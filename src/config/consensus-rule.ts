import { z } from "zod";
import type { ConsensusRule } from "../job/consensus.ts";
import { contradictionsOf } from "./consensus-check.ts";
import { type Problem, pathText, problemsOf, problemText } from "./problems.ts";
import { closed, text } from "./schema-parts.ts";

/* How several models are asked one question, in a task of models.json and in a row. */

const share = "a share above 0, at most 1, such as 0.66";
const alias = text("the alias of a model");
const weight = "a number above 0";

/** Every embeddings model has a scale of its own, so nothing is filled in. */
export const similarity = closed(
  { model: alias, atLeast: z.number(share).positive(share).max(1, share) },
  'a similarity such as { "model": "local.embeddings", "atLeast": 0.9 }',
);

export const consensus = closed(
  {
    models: z.array(alias, "a list of model aliases").optional(),
    threshold: z.number(share).positive(share).max(1, share).optional(),
    weights: z.record(z.string(), z.number(weight).positive(weight), "an object of weights by model").optional(),
    economy: z.boolean("true or false").optional(),
    escalate: alias.optional(),
    judge: alias.optional(),
    similarity: similarity.optional(),
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
  const rule = readRule(value);
  return "expected" in rule ? ruleProblemText(rule) : rule;
}

/** A rule that does not contradict itself, or the first thing that is wrong with it. Its models may not be there. */
export function readRule(value: unknown): ConsensusRule | Problem {
  const parsed = consensus.safeParse(value);
  const problems = parsed.success ? contradictionsOf(parsed.data) : problemsOf(parsed.error.issues, value);
  return parsed.success && problems.length === 0 ? Object.freeze(buildConsensus(parsed.data)) : problems[0]!;
}

/** In words that follow the line number of a row, or the name of what holds the rule. */
export const ruleProblemText = (problem: Problem): string =>
  problemText(pathText(["consensus", ...problem.path]), problem);

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
