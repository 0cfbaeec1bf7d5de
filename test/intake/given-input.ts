import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { onTestFinished } from "vitest";
import type { Input, InputLine } from "../../src/intake/input.ts";
import { openInput } from "../../src/intake/open-input.ts";
import { createRowParser, type ParsedRow, type RowParserOptions } from "../../src/intake/parse-row.ts";

/** A folder with these files, removed after the test. */
export function givenFolder(files: Readonly<Record<string, string | Uint8Array>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "promptfleet-intake-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

export const spoolOf = (folder: string): string => join(folder, "out.jsonl.part.input");

/** Opens an input of this folder; closed after the test. */
export async function opened(folder: string, name: string, stdin?: readonly (string | Buffer)[]): Promise<Input> {
  const input = await openInput(name === "-" ? "-" : join(folder, name), {
    spoolDirectory: spoolOf(folder),
    ...(stdin === undefined ? {} : { stdin: Readable.from(stdin) }),
  });
  let isOpen = true;
  const close = async (): Promise<void> => {
    if (isOpen) await input.close();
    isOpen = false;
  };
  onTestFinished(close);
  return { ...input, close };
}

/** Opens an input that is this one file. */
export function openedFile(name: string, content: string | Uint8Array): Promise<Input> {
  return opened(givenFolder({ [name]: content }), name);
}

export async function linesOf(input: Input): Promise<InputLine[]> {
  const lines: InputLine[] = [];
  for await (const chunk of input.readLines()) lines.push(...chunk);
  return lines;
}

export async function textsOf(input: Input): Promise<string[]> {
  return (await linesOf(input)).map(({ bytes }) => bytes.toString("utf8"));
}

/** All rows of an input, parsed. */
export async function rowsOf(input: Input, options: Partial<RowParserOptions> = {}): Promise<ParsedRow[]> {
  const parse = createRowParser({ strict: false, kind: input.kind, ...options });
  return (await linesOf(input)).map(({ bytes, index }) => parse(bytes, input.lineNumberOf(index)));
}

/** Parses one line as it would stand in a file; the line number is 7. */
export function parsed(line: unknown, options: Partial<RowParserOptions> = {}): ParsedRow {
  const bytes = Buffer.isBuffer(line) ? line : Buffer.from(typeof line === "string" ? line : JSON.stringify(line));
  return createRowParser({ strict: false, kind: "rows", ...options })(bytes, 7);
}

/** The row, or the test fails with the row's message. */
export function rowOf(result: ParsedRow) {
  if (!result.ok) throw new Error(`expected a row, found the failure: ${result.message}`);
  return result.row;
}

/** The message of a failed row, or the test fails. */
export function failureOf(result: ParsedRow): string {
  if (result.ok) throw new Error(`expected a failed row, found ${JSON.stringify(result.row)}`);
  return result.message;
}

/** The message of the UserError with which this ends; anything else fails the test. */
export async function refusalOf(work: () => unknown): Promise<string> {
  let error: unknown;
  try {
    await work();
  } catch (thrown) {
    error = thrown;
  }
  if (!(error instanceof Error)) throw new Error("nothing was refused");
  if (error.name !== "UserError") throw error;
  return error.message;
}
