import { closeSync, fstatSync, openSync, read, readSync } from "node:fs";
import { promisify } from "node:util";
import { UserError } from "../job/errors.ts";
import { explainReadError } from "./explain-error.ts";
import type { Input, InputLine } from "./input.ts";
import { createLineNumbers, type LineNumbers } from "./line-numbers.ts";
import { unreadableLine } from "./unreadable-line.ts";

/** The part of an Input that only needs a plain file. */
export type LineFile = Pick<Input, "sizeBytes" | "readLines" | "readLineAt" | "lineNumberOf"> & { close(): void };

/** Longer lines fail their row. */
export const longestLineBytes = 32 * 1024 * 1024;
const chunkBytes = 256 * 1024;
const scratchBytes = 16 * 1024;
const newline = 0x0a;
const carriageReturn = 0x0d;

const readAsync = promisify(read);

/**
 * Opens a file of lines. Memory is bounded by a chunk and one line, whatever the file holds.
 * @param source for messages.
 * @param known line numbers of the original, when the file was made of it record by record.
 * @throws UserError when it cannot be opened or is UTF-16.
 */
export function openLineFile(path: string, source: string, known?: LineNumbers): LineFile {
  const lineNumbers = known ?? createLineNumbers();
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    throw explainReadError(error, source);
  }
  const sizeBytes = fstatSync(file).size;
  const scratch = Buffer.allocUnsafeSlow(scratchBytes);
  let firstOffset: number;
  try {
    firstOffset = lengthOfByteOrderMark(scratch.subarray(0, readSync(file, scratch, 0, 3, 0)), source);
  } catch (error) {
    closeSync(file);
    throw error;
  }

  async function* readLines(): AsyncGenerator<InputLine[]> {
    let index = 0;
    let blankLines = 0;
    let position = firstOffset;
    let lineOffset = firstOffset;
    /** The beginning of a line whose end is in a later chunk; dropped, but counted, once it is too long. */
    let parts: Buffer[] = [];
    let partsBytes = 0;
    let lines: InputLine[] = [];

    function endLine(rest: Buffer): void {
      const length = partsBytes + rest.length;
      let bytes = rest;
      if (length > longestLineBytes) bytes = tooLong(length);
      else if (partsBytes > 0) bytes = Buffer.concat([...parts, rest], length);
      if (partsBytes > 0) {
        parts = [];
        partsBytes = 0;
      }
      if (bytes[bytes.length - 1] === carriageReturn) bytes = bytes.subarray(0, -1);
      if (isBlank(bytes)) {
        blankLines++;
        return;
      }
      if (known === undefined) lineNumbers.remember(index, blankLines);
      lines.push({ index: index++, offset: lineOffset, bytes });
    }

    while (position < sizeBytes) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(chunkBytes, sizeBytes - position));
      const { bytesRead } = await readAsync(file, chunk, 0, chunk.length, position);
      if (bytesRead === 0) break;
      const data = bytesRead === chunk.length ? chunk : chunk.subarray(0, bytesRead);
      let start = 0;
      for (let end = data.indexOf(newline); end !== -1; end = data.indexOf(newline, start)) {
        endLine(data.subarray(start, end));
        start = end + 1;
        lineOffset = position + start;
      }
      if (start < data.length) {
        if (partsBytes <= longestLineBytes) parts.push(data.subarray(start));
        else parts = [];
        partsBytes += data.length - start;
      }
      position += bytesRead;
      if (lines.length > 0) {
        yield lines;
        lines = [];
      }
    }
    if (partsBytes > 0) endLine(Buffer.alloc(0));
    if (lines.length > 0) yield lines;
  }

  function readLineAt(offset: number): Buffer {
    const parts: Buffer[] = [];
    let length = 0;
    let position = offset;
    let end = -1;
    let block = scratch;
    while (end === -1 && position < sizeBytes) {
      const bytesRead = readSync(file, block, 0, Math.min(block.length, sizeBytes - position), position);
      if (bytesRead === 0) break;
      const data = block.subarray(0, bytesRead);
      end = data.indexOf(newline);
      const part = end === -1 ? data : data.subarray(0, end);
      if (length <= longestLineBytes) parts.push(Buffer.from(part));
      length += part.length;
      position += bytesRead;
      if (end === -1 && block === scratch) block = Buffer.allocUnsafeSlow(chunkBytes);
    }
    if (length > longestLineBytes) return tooLong(length);
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts, length);
    return bytes[bytes.length - 1] === carriageReturn ? bytes.subarray(0, -1) : bytes;
  }

  return {
    sizeBytes,
    readLines,
    readLineAt,
    lineNumberOf: lineNumbers.lineNumberOf,
    close: () => closeSync(file),
  };
}

/**
 * Bytes to skip at the start of an input.
 * @throws UserError for the mark of UTF-16.
 */
export function lengthOfByteOrderMark(first: Buffer, source: string): number {
  if ((first[0] === 0xff && first[1] === 0xfe) || (first[0] === 0xfe && first[1] === 0xff)) {
    throw new UserError(
      `${source}: expected UTF-8, found UTF-16; convert it, for example with: iconv -f UTF-16 -t UTF-8`,
    );
  }
  return first[0] === 0xef && first[1] === 0xbb && first[2] === 0xbf ? 3 : 0;
}

function isBlank(bytes: Buffer): boolean {
  for (const byte of bytes) {
    if (byte !== 0x20 && byte !== 0x09 && byte !== carriageReturn) return false;
  }
  return true;
}

function tooLong(lengthBytes: number): Buffer {
  return unreadableLine(`expected at most ${longestLineBytes} bytes (32 MB) in a line, found ${lengthBytes}`);
}
