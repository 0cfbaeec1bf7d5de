import { isUtf8 } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import { z } from "zod";
import { text, wholeFrom } from "../../config/schema-parts.ts";
import { UserError } from "../../job/errors.ts";
import { compileSchema } from "../../job/json-schema.ts";
import type { ToolCall } from "./tool.ts";

/** Longer questions are no questions any more, and no client means to send them. */
const longestText = 4_000_000;
const longestFileBytes = 4_000_000;

export const longText = (expected: string) =>
  text(expected).max(longestText, `${expected} of at most ${longestText / 1e6} million characters`);

const truth = () => z.boolean("true or false");

export const isPrivate = truth()
  .optional()
  .describe("True: goes to models on local machines only, and is refused by all others. Default false.");

/** What every question may say, whoever answers it. */
export const questionFields = {
  prompt: longText("a question or task, a text that is not empty").describe("The question or task."),
  file: text("the path of a text file")
    .optional()
    .describe("A text file inside the allowed folders, whose text follows the prompt."),
  system: z.string("a text").max(longestText, "a shorter text").optional().describe("System prompt."),
  task: text("the name of a task")
    .optional()
    .describe("What it is for; decides the model where none is named. See list_models."),
  private: isPrivate,
  schema: z
    .record(z.string(), z.unknown(), "a JSON schema, which is an object")
    .optional()
    .describe("JSON schema that the answer must fit."),
  choices: z
    .array(text("a text"), "a list of at least two texts")
    .min(2, "a list of at least two texts")
    .optional()
    .describe("The answer is one of these."),
  max_tokens: wholeFrom(1, 1_000_000, "a whole number of tokens above 0")
    .optional()
    .describe("Most tokens of an answer."),
  temperature: z.number("a number").min(0, "a number from 0").optional(),
  timeout_s: wholeFrom(1, 3_600, "a whole number of seconds from 1 to 3600")
    .optional()
    .describe("Give up on what is not answered by then. Default 300."),
};

type QuestionFields = z.infer<z.ZodObject<typeof questionFields>>;

/** The fields of a flat row for a question, with the text of its file. */
export async function rowFieldsOf(
  question: QuestionFields,
  call: Pick<ToolCall, "roots">,
): Promise<Record<string, unknown>> {
  const { prompt, file, system, task, schema, choices, max_tokens, temperature } = question;
  if (schema !== undefined && choices !== undefined) throw new UserError("expected schema or choices, found both");
  if (schema !== undefined) {
    const compiled = compileSchema(schema);
    if (!compiled.ok) throw new UserError(`schema: no answer can be checked by it: ${compiled.reason}`);
  }
  if (file !== undefined && question.private === true) {
    throw new UserError(
      "private with file: an answer would bring what the file holds to you; use submit_batch with this file and read nothing but its output_file's name",
    );
  }
  const followed = file === undefined ? prompt : `${prompt}\n\n${await textOf(file, call)}`;
  return {
    prompt: followed,
    system,
    task,
    schema,
    choices,
    max_tokens,
    temperature,
    private: question.private === true,
  };
}

export const timeoutMsOf = ({ timeout_s = 300 }: { readonly timeout_s?: number | undefined }): number =>
  timeout_s * 1_000;

async function textOf(path: string, { roots }: Pick<ToolCall, "roots">): Promise<string> {
  const real = await (await roots()).fileAt(path);
  const { size } = await stat(real);
  if (size > longestFileBytes) {
    throw new UserError(
      `${path}: expected a file of at most ${longestFileBytes / 1e6} MB, found ${Math.ceil(size / 1e6)} MB`,
    );
  }
  const content = await readFile(real);
  if (!isUtf8(content)) throw new UserError(`${path}: expected text in UTF-8, found other bytes`);
  return content.toString("utf8");
}
