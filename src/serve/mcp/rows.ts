import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { consensus, readConsensus } from "../../config/consensus-rule.ts";
import { text } from "../../config/schema-parts.ts";
import { answerFormOf } from "../../intake/answer-form.ts";
import { type Input, openInput } from "../../intake/open-input.ts";
import { createRowParser, type RowParser } from "../../intake/parse-row.ts";
import { isRowField } from "../../intake/row-fields.ts";
import { writeSpool } from "../../intake/spool.ts";
import { parseTemplate, type Template } from "../../intake/template.ts";
import { UserError } from "../../job/errors.ts";
import { createRuleCheck } from "../../routing/consensus-rule.ts";
import { modelsNamed } from "../../routing/named-models.ts";
import type { McpContext } from "./context.ts";
import { isPrivate, longText } from "./question.ts";
import type { ToolCall } from "./tool.ts";

const mostRows = 10_000;

/** What many rows may be said to be, for a batch or the plan of one. */
export const rowsFields = {
  file: text("the path of a file")
    .optional()
    .describe("Rows in a .jsonl, .jsonl.gz, .csv or .csv.gz file inside the allowed folders. Either this or rows."),
  rows: z
    .array(z.record(z.string(), z.unknown(), "an object"), "a list of rows, each an object with a prompt")
    .min(1, "at least one row")
    .max(mostRows, `at most ${mostRows} rows; put more into a file`)
    .optional()
    .describe(
      'Rows such as {"id": "a", "prompt": "…"}; also task, model, system, private, schema, choices, consensus, metadata.',
    ),
  prompt: longText("a template such as 'Summarise: {{text}}'")
    .optional()
    .describe("Makes each row's prompt from its columns: 'Summarise: {{text}}'."),
  task: text("the name of a task").optional().describe("Task of rows that name none."),
  model: text("the alias of a model").optional().describe("Model of rows that name none: an alias of list_models."),
  system: longText("a text").optional().describe("System prompt of rows that have none."),
  schema: z
    .record(z.string(), z.unknown(), "a JSON schema, which is an object")
    .optional()
    .describe("JSON schema that every answer must fit."),
  choices: z
    .array(text("a text"), "a list of at least two texts")
    .min(2, "a list of at least two texts")
    .optional()
    .describe("Every answer is one of these."),
  consensus: consensus
    .optional()
    .describe(
      "Several models are asked of every row that brings no consensus of its own, whatever model it names; its answer is what they agree on.",
    ),
  private: isPrivate,
};

type RowsArguments = z.infer<z.ZodObject<typeof rowsFields>>;

/** Rows that are ready for a batch: each line is whole without what was said of all. */
export interface PreparedRows {
  readonly input: Input;
  readonly metadata: Readonly<Record<string, string>>;
  /** Some of them are private, and came from a file: their text is not for the client. */
  readonly isWithheld: boolean;
}

/**
 * Reads the rows that a client names or sends, and gives them what it says of all.
 * @throws UserError for a wrong argument, a file outside of the roots, or a row that lacks a column of the template.
 */
export async function withRows<Value>(
  given: RowsArguments,
  context: McpContext,
  call: ToolCall,
  action: (rows: PreparedRows) => Promise<Value>,
): Promise<Value> {
  const { config } = context;
  const { task, model } = given;
  if ((given.file === undefined) === (given.rows === undefined)) {
    throw new UserError(`expected file or rows, found ${given.file === undefined ? "neither" : "both"}`);
  }
  if (task !== undefined && !Object.hasOwn(config.tasks, task)) {
    throw new UserError(`task: unknown task "${task.slice(0, 100)}"; list_models names those there are`);
  }
  if (model !== undefined) modelsNamed(config, [model], "model");
  if (model !== undefined && given.consensus !== undefined) {
    throw new UserError("expected model or consensus, found both; leave one out");
  }
  const rule = given.consensus === undefined ? undefined : readConsensus(given.consensus);
  const wrongRule = rule === undefined || typeof rule === "string" ? rule : createRuleCheck(config)(rule);
  if (wrongRule !== undefined) throw new UserError(wrongRule);
  const form = answerFormOf(given);
  if (typeof form === "string") throw new UserError(form);
  const template = given.prompt === undefined ? undefined : parseTemplate(given.prompt, "prompt");
  const path = given.file === undefined ? undefined : await (await call.roots()).fileAt(given.file);
  const { lines } = await context.open();

  const metadata = {
    ...(task === undefined ? {} : { task }),
    ...(given.private === true ? { private: "true" } : {}),
    ...(rule === undefined ? {} : { consensus: JSON.stringify(rule) }),
  };
  const reader = lines.of(metadata);
  const parse = createRowParser({
    strict: false,
    kind: "rows",
    ...(template === undefined ? {} : { prompt: template }),
  });
  let isAnyPrivate = false;

  async function* prepared(source: Input): AsyncGenerator<Buffer> {
    for await (const group of source.readLines()) {
      if (call.signal.aborted) throw new UserError("the call was cancelled");
      yield Buffer.concat(group.map(({ bytes, index }) => lineOf(bytes, source.lineNumberOf(index))));
    }
  }

  function lineOf(bytes: Buffer, lineNumber: number): Buffer {
    const fields = withDefaults(bytes, lineNumber, parse, template, given);
    const line = fields === undefined ? bytes : Buffer.from(JSON.stringify(fields));
    if (!isAnyPrivate) {
      const planned = reader.read({ index: 0, offset: 0, bytes: line }, lineNumber);
      isAnyPrivate = planned.ok ? planned.row.private : planned.code === "policy_refused";
    }
    return Buffer.concat([line, newline]);
  }

  const folder = mkdtempSync(join(tmpdir(), "promptfleet-mcp-"));
  try {
    const source = path ?? (await writeSpool(join(folder, "sent"), sentLines(given.rows ?? []))).path;
    const read = await openInput(source, { spoolDirectory: join(folder, "read") });
    try {
      const { path: ready } = await writeSpool(join(folder, "ready"), prepared(read));
      const input = await openInput(ready, { spoolDirectory: join(folder, "again") });
      const isWithheld = path !== undefined && isAnyPrivate;
      return await action({ input, metadata, isWithheld }).finally(() => input.close());
    } finally {
      await read.close();
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const newline = Buffer.from("\n");

async function* sentLines(rows: readonly object[]): AsyncGenerator<Buffer> {
  for (const row of rows) yield Buffer.from(`${JSON.stringify(row)}\n`);
}

type Fields = Record<string, unknown>;

/** A row with what was said of all rows; undefined for a line that stays as it is: OpenAI's, or one that cannot be used. */
function withDefaults(
  bytes: Buffer,
  lineNumber: number,
  parse: RowParser,
  template: Template | undefined,
  defaults: Pick<RowsArguments, "model" | "system" | "schema" | "choices">,
): Fields | undefined {
  const parsed = parse(bytes, lineNumber);
  // With a template the line as it is would be another question.
  if (!parsed.ok && template !== undefined) throw new UserError(parsed.message);
  if (!parsed.ok || parsed.format === "openai") return undefined;
  const fields = JSON.parse(bytes.toString("utf8")) as Fields;
  const own = template === undefined ? fields : filled(fields, template, parsed.row);
  const { model, system, schema, choices } = defaults;
  const messages = own.messages as { readonly role: string }[] | undefined;
  const hasSystem = isGiven(own.system) || messages?.some(({ role }) => role === "system" || role === "developer");
  const hasForm = isGiven(own.schema) || isGiven(own.choices);
  return {
    ...own,
    ...(isGiven(own.id) ? {} : { id: String(lineNumber) }),
    ...(isGiven(own.model) || model === undefined ? {} : { model }),
    ...(hasSystem || system === undefined ? {} : { system }),
    ...(hasForm || schema === undefined ? {} : { schema }),
    ...(hasForm || choices === undefined ? {} : { choices }),
  };
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** The template's columns are in the messages by now, the others in the metadata. */
function filled(
  fields: Fields,
  { variables }: Template,
  { request, metadata }: { readonly request: { readonly messages: unknown }; readonly metadata?: unknown },
): Fields {
  const kept = Object.entries(fields).filter(
    ([name]) => isRowField(name) && !variables.includes(name) && !["prompt", "system", "images"].includes(name),
  );
  return { ...Object.fromEntries(kept), messages: request.messages, ...(metadata === undefined ? {} : { metadata }) };
}
