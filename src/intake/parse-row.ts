import { isUtf8 } from "node:buffer";
import { UserError } from "../job/errors.ts";
import type { LineFormat, PromptRow } from "../job/row.ts";
import { isAnthropicLine, readAnthropicRow } from "./anthropic-row.ts";
import { isObject } from "./field-checks.ts";
import { readFileRow } from "./file-row.ts";
import { type FlatRowOptions, metadataOf, type RowOrReason, readFlatRow } from "./flat-row.ts";
import type { Input } from "./input.ts";
import { isOpenaiLine, readOpenaiRow } from "./openai-row.ts";
import { templateVariables } from "./template.ts";
import { messageOfUnreadable } from "./unreadable-line.ts";

/** A template makes the prompt of flat rows and files; their other columns come back in `metadata`. */
export interface RowParserOptions extends FlatRowOptions {
  /** Options that a model cannot take fail the row: judged where the model is known, nothing here depends on it. */
  readonly strict: boolean;
  readonly kind: Input["kind"];
}

/** What became of a line. A line that cannot be used fails as `invalid_row`. */
export type ParsedRow =
  | { readonly ok: true; readonly row: PromptRow; readonly format: LineFormat }
  | {
      readonly ok: false;
      readonly id: string;
      /** Names the line or file, the field, what was expected and found. Quotes no text of the row. */
      readonly message: string;
      readonly metadata?: Readonly<Record<string, unknown>>;
    };

export type RowParser = (line: Buffer, lineNumber: number) => ParsedRow;

/**
 * Makes the function that reads one line: a flat row, an OpenAI batch line or a request of an Anthropic batch (told apart
 * line by line), or the name of a file. It never throws for a line.
 * @throws UserError for a template that no file can fill.
 */
export function createRowParser(options: RowParserOptions): RowParser {
  if (options.kind === "files") return createFileParser(options);
  return (line, lineNumber) => {
    const fields = fieldsOf(line);
    if (typeof fields === "string") return failed(String(lineNumber), `line ${lineNumber}: ${fields}`);
    const read = readRow(fields, String(lineNumber), options);
    return read.ok ? read : { ...read, message: `line ${lineNumber}: ${read.message}` };
  };
}

/** Reads a row that is an object already: a flat row, or one in a provider's own form. */
export function readRow(
  fields: Readonly<Record<string, unknown>>,
  idIfNone: string,
  options: Omit<RowParserOptions, "kind">,
): ParsedRow {
  const format = formatOf(fields);
  const id = idOfFields(fields) ?? idIfNone;
  const row = format === "flat" ? readFlatRow(fields, id, options) : readWholeRow(fields, id, format, options);
  if (typeof row !== "string") return { ok: true, row, format };
  return failed(id, row, format === "flat" ? metadataOf(fields, options.prompt) : undefined);
}

/** The id that the result of this line has, whether the row is good or not. */
export function idOfLine(line: Buffer, lineNumber: number, kind: Input["kind"]): string {
  const fields = fieldsOf(line);
  if (typeof fields === "string") return String(lineNumber);
  return (kind === "files" ? String(fields.path) : idOfFields(fields)) ?? String(lineNumber);
}

function createFileParser(options: RowParserOptions): RowParser {
  const unknown =
    options.prompt && templateVariables(options.prompt).find((name) => name !== "path" && name !== "text");
  if (unknown !== undefined) {
    throw new UserError(
      `the prompt template needs {{${unknown}}}; a row of a folder or glob has {{path}} and {{text}}`,
    );
  }
  return (line) => {
    const path = String((JSON.parse(line.toString("utf8")) as { path: unknown }).path);
    const row = readFileRow(path, options);
    if (typeof row !== "string") return { ok: true, row, format: "flat" };
    return failed(path, `${path}: ${row}`, { path });
  };
}

function failed(id: string, message: string, metadata?: Readonly<Record<string, unknown>>): ParsedRow {
  return { ok: false, id, message, ...(metadata === undefined ? {} : { metadata }) };
}

function formatOf(fields: Readonly<Record<string, unknown>>): LineFormat {
  if (isOpenaiLine(fields)) return "openai";
  return isAnthropicLine(fields) ? "anthropic" : "flat";
}

/** A row that brings all that is asked in its provider's own form. */
function readWholeRow(
  fields: Readonly<Record<string, unknown>>,
  id: string,
  format: Exclude<LineFormat, "flat">,
  { prompt, system, answerForm }: FlatRowOptions,
): RowOrReason {
  const [found, form] =
    format === "openai"
      ? ["an OpenAI batch line", "response_format"]
      : ["a request of an Anthropic batch", "output_config"];
  if (prompt !== undefined) {
    return `expected a flat row for the prompt template, found ${found}, which brings its own messages`;
  }
  if (answerForm !== undefined) {
    return `expected a flat row for --schema or --choices, found ${found}, which brings its own ${form}`;
  }
  return format === "openai" ? readOpenaiRow(fields, id, system) : readAnthropicRow(fields, id, system);
}

function idOfFields(fields: Readonly<Record<string, unknown>>): string | undefined {
  const id = formatOf(fields) === "flat" ? fields.id : fields.custom_id;
  return (typeof id === "string" && id !== "") || typeof id === "number" ? String(id) : undefined;
}

/** The object that a line holds, or why it holds none. */
function fieldsOf(line: Buffer): Readonly<Record<string, unknown>> | string {
  const unreadable = messageOfUnreadable(line);
  if (unreadable !== undefined) return unreadable;
  if (!isUtf8(line)) return "expected text in UTF-8, found other bytes";
  let value: unknown;
  try {
    value = JSON.parse(line.toString("utf8"));
  } catch (error) {
    // V8 quotes the line after the first comma, and the line may be private.
    const [, reason] = /^(.*?)(?:, (?:\.\.\.)?"|$)/s.exec((error as Error).message) ?? [];
    return `expected one JSON object, found what is not JSON (${reason})`;
  }
  if (isObject(value)) return value;
  return `expected a JSON object, found ${value === null ? "null" : Array.isArray(value) ? "a list" : `a ${typeof value}`}`;
}
