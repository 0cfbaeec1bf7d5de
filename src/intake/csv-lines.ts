import { isUtf8 } from "node:buffer";
import { pipeline, Readable } from "node:stream";
import { type Info, parse } from "csv-parse";
import { messageOf, UserError } from "../job/errors.ts";
import { type Bytes, peek } from "./byte-streams.ts";
import { lengthOfByteOrderMark, longestLineBytes } from "./line-file.ts";
import type { LineNumbers } from "./line-numbers.ts";
import { isRowField } from "./row-fields.ts";
import { unreadableLine } from "./unreadable-line.ts";

const newline = Buffer.from("\n");

/**
 * Turns CSV with a header row into JSON lines, one a record. Cells are strings, but those of row fields with another
 * type become that type where they can. An empty cell of a row field is an absent field, any other an empty string.
 * Blank records are skipped; a record of the wrong width or with bytes that are not UTF-8 becomes an unreadable line.
 * @param lineNumbers learns in which line of the CSV each record begins.
 * @throws UserError for a header that cannot be used and for quotes that are never closed.
 */
export async function* csvLines(bytes: Bytes, source: string, lineNumbers: LineNumbers): AsyncGenerator<Buffer> {
  const parser = parse({
    encoding: null,
    info: true,
    record_delimiter: ["\r\n", "\n"],
    relax_column_count: true,
    relax_quotes: true,
    skip_empty_lines: true,
    max_record_size: longestLineBytes,
  });
  let readError: unknown;
  const input = Readable.from(withoutByteOrderMark(bytes, source)).on("error", (error) => {
    readError = error;
  });
  pipeline(input, parser, () => {});

  let header: readonly string[] | undefined;
  let lineNumber = 1;
  let emptyLines = 0;
  let index = 0;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: Buffer[]; info: Info }>) {
      lineNumber += info.empty_lines - emptyLines;
      emptyLines = info.empty_lines;
      const begins = lineNumber;
      // Counted here, because csv-parse counts a CRLF inside of quotes twice.
      lineNumber += 1 + record.reduce((count, cell) => count + newlinesIn(cell), 0);
      if (header === undefined) {
        header = checkedHeader(record, source);
      } else if (record.some((cell) => cell.length > 0)) {
        lineNumbers.remember(index, begins - 1 - index);
        index++;
        yield jsonLine(header, record);
        yield newline;
      }
    }
  } catch (error) {
    if (readError !== undefined) throw readError;
    throw explainCsvError(error, source, lineNumber);
  }
}

function jsonLine(header: readonly string[], record: readonly Buffer[]): Buffer {
  if (record.length !== header.length) {
    return unreadableLine(
      `expected ${header.length} cells as in the header, found ${record.length}; a cell with a comma needs quotes`,
    );
  }
  const broken = record.findIndex((cell) => !isUtf8(cell));
  if (broken !== -1) return unreadableLine(`${header[broken]}: expected text in UTF-8, found other bytes`);
  const entries = header.map((name, at) => [name, valueOfCell(name, record[at]!.toString("utf8"))]);
  return Buffer.from(JSON.stringify(Object.fromEntries(entries)));
}

/** What cannot be converted stays a string, about which the row's validation has the words. */
function valueOfCell(name: string, text: string): unknown {
  if (!isRowField(name)) return text;
  if (text === "") return undefined;
  switch (name) {
    case "max_tokens":
    case "temperature":
    case "top_p":
    case "seed": {
      const number = Number(text);
      return text.trim() === "" || Number.isNaN(number) ? text : number;
    }
    case "private": {
      const word = text.trim().toLowerCase();
      if (["true", "yes", "1"].includes(word)) return true;
      return ["false", "no", "0"].includes(word) ? false : text;
    }
    case "messages":
    case "metadata":
    case "schema":
    case "choices":
    case "images":
      try {
        return JSON.parse(text);
      } catch {
        return text;
      }
    default:
      return text;
  }
}

function checkedHeader(record: readonly Buffer[], source: string): string[] {
  const names = record.map((cell) => cell.toString("utf8").trim());
  const wrong = (found: string) =>
    new UserError(`${source}, line 1: expected the names of the columns, found ${found}`);
  if (!record.every((cell) => isUtf8(cell))) throw wrong("bytes that are not UTF-8");
  const empty = names.indexOf("");
  if (empty !== -1) throw wrong(`none for column ${empty + 1}; name it or remove it`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw wrong(`"${twice}" twice; every name must be there once`);
  if (names.length === 1 && /[;\t]/.test(names[0]!)) {
    throw wrong("one column with semicolons or tabs in its name; separate the columns by commas");
  }
  return names;
}

async function* withoutByteOrderMark(bytes: Bytes, source: string): AsyncGenerator<Buffer> {
  const { head, all } = await peek(bytes, (first) => first.length >= 3);
  let skip = lengthOfByteOrderMark(head, source);
  for await (const chunk of all) {
    yield chunk.subarray(skip);
    skip = 0;
  }
}

function explainCsvError(error: unknown, source: string, lineNumber: number): UserError {
  const place = `${source}: the record that begins in line ${lineNumber}`;
  switch ((error as { code?: string }).code) {
    case "CSV_QUOTE_NOT_CLOSED":
      return new UserError(
        `${place} has a quote that is never closed; close it, or write "" for a quote inside of one`,
      );
    case "CSV_MAX_RECORD_SIZE":
      return new UserError(`${place} is longer than ${longestLineBytes} bytes (32 MB); is there a quote not closed?`);
    default:
      return new UserError(`${place} cannot be read as CSV: ${messageOf(error)}`);
  }
}

function newlinesIn(cell: Buffer): number {
  let count = 0;
  for (let at = cell.indexOf(10); at !== -1; at = cell.indexOf(10, at + 1)) count++;
  return count;
}
