import { z } from "zod";
import { answerJson, askConsensus, consensusJson, type VoteResult } from "../../ask-consensus.ts";
import { type AskOne, askTogether, planQuestion } from "../../ask-models.ts";
import { similarity } from "../../config/consensus-rule.ts";
import { text } from "../../config/schema-parts.ts";
import { UserError } from "../../job/errors.ts";
import type { AnswerForm, JsonSchema, PromptRequest } from "../../job/row.ts";
import type { PlannedRow } from "../../plan-row.ts";
import { consensusRuleOf } from "../../routing/consensus-rule.ts";
import { modelsNamed } from "../../routing/named-models.ts";
import { answerOf, answerOutput, failureText } from "./answers.ts";
import type { McpFleet } from "./context.ts";
import { longText, questionFields, rowFieldsOf, timeoutMsOf } from "./question.ts";
import { defineTool, type ToolCall } from "./tool.ts";

const modelName = (expected: string) => text(expected).max(200, expected);
const severalModels = z
  .array(modelName("the alias of a model"), "a list of models")
  .min(1, "a list of models")
  .describe("Aliases of list_models, each once.");

export const ask = defineTool({
  name: "ask",
  title: "Ask one model",
  description:
    "Asks one question of one model and returns its answer with tokens, cost and time. The model is the named one, or the first usable one of the task's route.",
  isReadOnly: false,
  input: z.strictObject({
    ...questionFields,
    model: modelName("the alias of a model").optional().describe("An alias of list_models. Default: by the task."),
  }),
  output: answerOutput,
  async run(context, { model, ...question }, call) {
    const fields = await rowFieldsOf(question, call);
    if (model !== undefined) modelsNamed(context.config, [model], "model");
    const { fleet, lines } = await context.open();
    const planned = planQuestion({ ...fields, model }, "1", lines.plan);
    if (!planned.ok) throw new UserError(failureText({ error: planned }));
    const timeoutMs = timeoutMsOf(question);
    const timeout = AbortSignal.timeout(timeoutMs);
    let characters = 0;
    const onText = (delta: string): void => {
      characters += delta.length;
      call.report(characters, undefined, `${characters} characters so far`);
    };
    const signal = AbortSignal.any([call.signal, timeout]);
    const { result } = await fleet.askOnline({ payload: planned.row.payload, signal, onText });
    if (result.status === "answered") return { structured: answerOf(result), text: result.text ?? "" };
    if (!timeout.aborted) throw new UserError(failureText(result));
    const message = `no answer within ${timeoutMs / 1_000} s`;
    throw new UserError(failureText({ error: { code: "deadline_passed", message } }));
  },
});

const namedAnswer = answerOutput.extend({
  model: z.string(),
  role: z.enum(["vote", "judge", "similarity", "decides"]),
});
const togetherOutput = { answers: z.array(namedAnswer), cost_usd: z.number(), wall_s: z.number() };

export const askParallel = defineTool({
  name: "ask_parallel",
  title: "Ask several models at once",
  description:
    "Asks the same question of several models at once and returns all answers side by side, each with tokens, cost and time. One that fails does not hold up the others.",
  isReadOnly: false,
  input: z.strictObject({
    ...questionFields,
    models: severalModels,
    prompts: z
      .record(z.string(), longText("a text"), "an object of prompts by model")
      .optional()
      .describe("Prompts of their own for some of the models, by alias."),
  }),
  output: z.object(togetherOutput),
  async run(context, { models, prompts = {}, ...question }, call) {
    const fields = await rowFieldsOf(question, call);
    const stranger = Object.keys(prompts).find((name) => !models.includes(name));
    if (stranger !== undefined) throw new UserError(`prompts: ${stranger.slice(0, 100)} is not among models`);
    const aliases = modelsNamed(context.config, models, "models").map(({ alias }) => alias);
    const opened = await context.open();
    const seen = reporter(call, aliases.length);
    return together(opened, call, timeoutMsOf(question), async (askOne) => {
      const all = aliases.map(async (model, at) => {
        const own = prompts[models[at]!];
        const asked = own === undefined ? { ...fields, model } : { ...fields, model, prompt: own };
        const result = await askOne(planQuestion(asked, model, opened.lines.plan));
        const one = { model, role: "vote" as const, result };
        seen(one);
        return one;
      });
      return { results: await Promise.all(all) };
    });
  },
});

export const consensus = defineTool({
  name: "consensus",
  title: "What several models agree on",
  description:
    "Asks several models and counts their votes: with choices by label, with a schema field by field, else by normalised text (then give a judge, or a similarity by embeddings, where words may differ). Returns the agreed answer, who agrees, their share and the dissent; or state no_consensus with all answers.",
  isReadOnly: false,
  input: z.strictObject({
    ...questionFields,
    models: severalModels,
    threshold: z
      .number("a share above 0 and at most 1")
      .optional()
      .describe("The share of the models that must agree. Default 0.66: two of three."),
    economy: z
      .boolean("true or false")
      .optional()
      .describe("Asks no more models than the outcome needs. Default false."),
    judge: modelName("the alias of a model").optional().describe("Says which free texts mean the same."),
    similarity: similarity
      .optional()
      .describe(
        'In a judge\'s place, by embeddings: {"model": an alias of an embeddings model, "atLeast": the cosine above which texts mean the same}.',
      ),
    escalate: modelName("the alias of a model").optional().describe("A stronger model that decides where they differ."),
  }),
  output: z.object({
    ...togetherOutput,
    consensus: z.object({
      state: z.enum(["agreed", "no_consensus"]),
      text: z.string().nullable(),
      json: z.unknown().optional(),
      share: z.number(),
      threshold: z.number(),
      by: z.string(),
      similarity: z.number().optional().describe("By embeddings: of the answer and the one least like it that agrees."),
      agreed: z.array(z.string()),
      dissent: z.array(
        z.object({
          model: z.string(),
          text: z.string(),
          fields: z.array(z.string()).optional(),
          similarity: z.number().optional(),
        }),
      ),
      message: z.string().optional(),
      fields: z.array(z.string()).optional(),
    }),
  }),
  async run(context, { models, threshold, economy, judge, similarity, escalate, ...question }, call) {
    const fields = await rowFieldsOf(question, call);
    const asked = { models, threshold, economy, judge, similarity, escalate };
    const rule = consensusRuleOf(context.config, asked, (field) => field);
    const opened = await context.open();
    const { plan } = opened.lines;
    const rowFor = (model: string, instead?: PromptRequest): PlannedRow => {
      if (instead === undefined) return planQuestion({ ...fields, model }, model, plan);
      const { task } = question;
      const about = { id: model, model, private: question.private === true, ...(task === undefined ? {} : { task }) };
      return plan({ ...about, request: instead });
    };
    const shown = [{ role: "user" as const, content: String(fields.prompt) }];
    const seen = reporter(call, rule.models.length);
    return together(opened, call, timeoutMsOf(question), async (askOne) => {
      const found = await askConsensus({ rule, form: formOf(question), rowFor, question: shown }, askOne, seen);
      return { results: found.results, consensus: consensusJson(found, rule) };
    });
  },
});

function formOf({
  schema,
  choices,
}: {
  schema?: JsonSchema | undefined;
  choices?: readonly string[] | undefined;
}): AnswerForm | undefined {
  if (choices !== undefined) return { choices };
  return schema === undefined ? undefined : { schema };
}

/** Tells the client of each model that has answered. */
function reporter(call: ToolCall, total: number): (one: VoteResult) => void {
  let done = 0;
  return ({ model, role, result }) => {
    const how = result.status === "answered" ? "answered" : `failed (${result.error?.code})`;
    call.report(
      ++done,
      Math.max(total, done),
      `${role === "vote" ? "" : `${role}: `}${model} ${how} after ${result.latency_ms / 1_000} s`,
    );
  };
}

async function together(
  { fleet, withPools }: McpFleet,
  call: ToolCall,
  timeoutMs: number,
  action: (ask: AskOne) => Promise<{ readonly results: readonly VoteResult[]; readonly consensus?: object }>,
) {
  const startedMs = performance.now();
  const { results, ...more } = await askTogether({ fleet, withPools, timeoutMs, signal: call.signal }, action);
  return {
    structured: {
      answers: results.map(answerJson),
      ...more,
      cost_usd: results.reduce((sum, { result }) => sum + result.cost_usd, 0),
      wall_s: Math.round(performance.now() - startedMs) / 1_000,
    },
  };
}
