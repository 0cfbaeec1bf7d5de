import { z } from "zod";
import type { ErrorCode, ResultLine } from "../../job/result.ts";

/* What tools say of answers; the field names are those of a run's output. */

const usage = z.object({ input_tokens: z.number(), output_tokens: z.number(), cached_tokens: z.number() });

export const answerOutput = z.object({
  status: z.enum(["answered", "failed"]),
  text: z.string().nullable(),
  json: z.unknown().optional().describe("The answer's JSON, where a schema was given."),
  model: z.string().nullable(),
  tier: z.string().nullable(),
  finish_reason: z.string().nullable(),
  usage,
  cost_usd: z.number(),
  latency_ms: z.number(),
  attempts: z.number(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});

const voteOutput = answerOutput
  .pick({ tier: true, text: true, usage: true, cost_usd: true, latency_ms: true, attempts: true, error: true })
  .extend({
    model: z.string(),
    role: z.enum(["judge", "similarity", "escalation"]).optional().describe("Of a call that was no vote."),
    agreed: z.boolean().describe("With the row's answer."),
    fields: z.array(z.string()).optional().describe("Of JSON: where it differs from the row's answer."),
    similarity: z.number().optional().describe("By embeddings: how like the row's answer it is."),
  });

/** How the models of a row agreed, as a flat line of output says it. */
export const consensusOutput = z.object({
  agreed: z.boolean(),
  share: z.number(),
  by: z.string(),
  similarity: z.number().optional(),
  fields: z.array(z.string()).optional(),
  votes: z.array(voteOutput),
});

/** A result without what only a batch has. */
export function answerOf(result: ResultLine): z.infer<typeof answerOutput> {
  const { status, text, json, model, tier, finish_reason, usage, cost_usd, latency_ms, attempts, error } = result;
  const known = json === undefined ? {} : { json };
  return { status, text, ...known, model, tier, finish_reason, usage, cost_usd, latency_ms, attempts, error };
}

/** What may help where a call has failed. */
const advice: Partial<Record<ErrorCode, string>> = {
  policy_refused: "it is private, and no local model may take it; list_models says which are local",
  context_overflow: "shorten it, or name a model with more context",
  deadline_passed: "give it more timeout_s, or use submit_batch and look again later",
};

export function failureText({ error }: Pick<ResultLine, "error">): string {
  if (error === null) return "no answer";
  const more = advice[error.code];
  return `${error.code}: ${error.message}${more === undefined ? "" : `; ${more}`}`;
}
