import { z } from "zod";
import type { Config, ModelConfig } from "../../config/config.ts";
import { text } from "../../config/schema-parts.ts";
import { examine, routeOf } from "../../examine.ts";
import type { ModelLook } from "../../inspect/look-at-model.ts";
import { planJson } from "../../plan-json.ts";
import { planRun } from "../../plan-run.ts";
import { rowsFields, withRows } from "./rows.ts";
import { defineTool } from "./tool.ts";

const modelOutput = z.object({
  alias: z.string(),
  tier: z.string(),
  model: z.string(),
  location: z.string().describe("local: never leaves the machines of this network; cloud: does"),
  usable: z.boolean(),
  reason: z.string().optional().describe("Why it is not usable now."),
  mend: z.string().optional().describe("What mends that."),
  price: z
    .object({ input_per_mtok: z.number(), output_per_mtok: z.number() })
    .nullable()
    .describe("US dollars per million tokens; null: unknown."),
  context_tokens: z.number().nullable(),
});

export const listModels = defineTool({
  name: "list_models",
  title: "Models and tasks",
  description:
    "Lists the models there are with price, location and whether each can be used now, and the tasks with the models that each goes to, in order. Asks every server whether it is there; costs nothing.",
  isReadOnly: true,
  input: z.strictObject({
    task: text("the name of a task").optional().describe("Only the models of this task, in its order."),
  }),
  output: z.object({
    models: z.array(modelOutput),
    tasks: z.array(z.object({ name: z.string(), models: z.array(z.string()), private: z.boolean(), why: z.string() })),
    default_task: z.string(),
  }),
  async run({ config }, { task }) {
    // A task that does not exist is told before any server is asked.
    if (task !== undefined) routeOf(task, config, { models: new Map() }, () => undefined);
    const { models: looks } = await examine(config);
    const aliases =
      task === undefined
        ? Object.keys(config.models)
        : routeOf(task, config, { models: looks }, () => undefined).map(({ alias }) => alias);
    const models = aliases.flatMap((alias) => {
      const model = config.models[alias];
      return model === undefined ? [] : [describeModel(model, config, looks.get(alias))];
    });
    const tasks = Object.values(config.tasks)
      .filter(({ name }) => task === undefined || name === task)
      .map(({ name, primary, fallback, private: isPrivate, why }) => ({
        name,
        models: [primary, ...fallback],
        private: isPrivate,
        why: why ?? "",
      }));
    return { structured: { models, tasks, default_task: config.defaultTask } };
  },
});

function describeModel(model: ModelConfig, config: Config, look: ModelLook | undefined): z.infer<typeof modelOutput> {
  const { alias, tier, price } = model;
  const location = config.tiers[tier]?.location ?? "";
  const known = price ?? (location === "local" ? { inputPerMTok: 0, outputPerMTok: 0 } : undefined);
  return {
    alias,
    tier,
    model: look?.meant ?? model.model,
    location,
    usable: look?.usable ?? false,
    ...(look?.reason === undefined ? {} : { reason: look.reason }),
    ...(look?.mend === undefined ? {} : { mend: look.mend }),
    price: known === undefined ? null : { input_per_mtok: known.inputPerMTok, output_per_mtok: known.outputPerMTok },
    context_tokens: model.contextTokens ?? null,
  };
}

const range = z.object({ low: z.number(), likely: z.number(), high: z.number() });

export const plan = defineTool({
  name: "plan",
  title: "What a batch would cost",
  description:
    "Says what submit_batch with the same arguments would do: rows by task and model, tokens, cost and time as ranges, what is missing. Sends nothing and costs nothing.",
  isReadOnly: true,
  input: z.strictObject(rowsFields),
  output: z.object({
    rows: z.number(),
    unusable: z.number().describe("Rows that will fail without being asked."),
    input_tokens: range,
    output_tokens: range,
    cost_usd: range,
    rows_without_price: z.number(),
    seconds: range.describe("Guessed where no answers were measured yet."),
    groups: z.array(
      z.object({
        task: z.string().nullable(),
        model: z.string(),
        tier: z.string(),
        rows: z.number(),
        basis: z.string(),
        input_tokens: range,
        output_tokens: range,
        cost_usd: range.nullable(),
      }),
    ),
    missing: z
      .array(z.object({ model: z.string(), reason: z.string(), rows: z.number() }))
      .describe("Models that rows would go to and that cannot be used here."),
  }),
  async run(context, given, call) {
    const { fleet, lines } = await context.open();
    const planned = await withRows(given, context, call, ({ input, metadata }) =>
      planRun({
        config: context.config,
        input,
        lines: lines.of(metadata),
        latencies: fleet.latencies,
        workPath: undefined,
      }),
    );
    const { done: _done, ...said } = planJson(planned);
    return { structured: said };
  },
});
