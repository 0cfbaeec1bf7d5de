import { readFileSync } from "node:fs";
import { messageOf, UserError } from "../job/errors.ts";
import { compileSchema } from "../job/json-schema.ts";
import type { AnswerForm, JsonSchema } from "../job/row.ts";
import { explainReadError } from "./explain-error.ts";
import { expectedOfChoices, isObject } from "./field-checks.ts";

/** The form that a row's checked fields ask for, or why it cannot be asked for; undefined when they ask for none. */
export function answerFormOf({ schema, choices }: Readonly<Record<string, unknown>>): AnswerForm | string | undefined {
  const hasSchema = schema !== undefined && schema !== null;
  const hasChoices = choices !== undefined && choices !== null;
  if (hasSchema && hasChoices) return "expected schema or choices, found both; leave one out";
  if (hasChoices) return { choices: choices as readonly string[] };
  if (!hasSchema) return undefined;
  const compiled = compileSchema(schema as JsonSchema);
  return compiled.ok ? { schema: schema as JsonSchema } : `schema: no answer can be checked by it: ${compiled.reason}`;
}

/**
 * The form that `--schema` or `--choices` gives, if any.
 * @throws UserError for both at once, a file that cannot be read, or what no answer can be checked by.
 */
export function readAnswerForm(flags: {
  readonly schema?: string | undefined;
  readonly choices?: readonly string[] | undefined;
}): AnswerForm | undefined {
  const { schema: path, choices } = flags;
  if (path !== undefined && choices !== undefined) {
    throw new UserError("expected --schema or --choices, found both; leave one out");
  }
  if (choices !== undefined) {
    const expected = expectedOfChoices(choices);
    if (expected === undefined) return { choices };
    throw new UserError(
      `--choices: expected ${expected}, separated by commas, found ${choices.length}; for example good,bad`,
    );
  }
  return path === undefined ? undefined : readSchemaFile(path);
}

function readSchemaFile(path: string): AnswerForm {
  const source = `--schema ${path}`;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw explainReadError(error, source);
  }
  let schema: unknown;
  try {
    schema = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    throw new UserError(`${source}: expected a JSON schema, found what is not JSON (${messageOf(error)})`);
  }
  if (!isObject(schema)) throw new UserError(`${source}: expected a JSON schema, which is an object`);
  const form = answerFormOf({ schema });
  if (typeof form === "string") throw new UserError(`${source}: ${form}`);
  return form!;
}
