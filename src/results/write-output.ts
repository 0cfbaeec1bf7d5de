import { closeSync, openSync, readSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { UserError } from "../job/errors.ts";
import type { ResultLine } from "../job/result.ts";
import type { RowTable } from "../job/row-table.ts";
import { OutputError } from "./output-target.ts";

/** Where finished lines go; openOutput() of output-target.ts gives one. */
export interface LineSink {
  write(line: string): Promise<void> | void;
}

const blockBytes = 256 * 1024;
const blocksKept = 16;
const rowsPerTurn = 500;

/**
 * Writes the results in input order with bounded memory: the table says where each lies in the segments.
 * @param formatLine makes a line of the output; undefined when the stored JSON is the line (flat JSONL).
 */
export async function writeInInputOrder(
  table: RowTable,
  rowCount: number,
  segmentPaths: readonly string[],
  formatLine: ((result: ResultLine) => string) | undefined,
  sink: LineSink,
): Promise<void> {
  const readers = segmentPaths.map((path) => openLineReader(path));
  try {
    for (let row = 0; row < rowCount; row++) {
      const { segment, offset } = table.storedAt(row);
      const stored = readers[segment]!.lineAt(offset);
      const written = sink.write(formatLine === undefined ? stored : formatLine(JSON.parse(stored) as ResultLine));
      if (written !== undefined) await written;
      else if (row % rowsPerTurn === 0) await turn();
    }
  } finally {
    for (const reader of readers) reader.close();
  }
}

/** @throws OutputError when one of them is not there: nothing is to be written beside where they were. */
export function checkSegments(segmentPaths: readonly string[]): void {
  for (const path of segmentPaths) closeSync(openSegment(path));
}

/** One line of a segment. */
export function readLineOf(path: string, offset: number): string {
  const reader = openLineReader(path);
  try {
    return reader.lineAt(offset);
  } finally {
    reader.close();
  }
}

const mend = "run the same again: rows whose answers are no longer there are asked again";

function openSegment(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new OutputError(
      `${path} is no longer there: it was removed, or its disk unmounted, while the run went on; ${mend}`,
    );
  }
}

/** Lines of one file by offset, through a few cached blocks: completion order is close to input order. */
function openLineReader(path: string): { lineAt(offset: number): string; close(): void } {
  const file = openSegment(path);
  const blocks = new Map<number, { readonly memory: Buffer; readonly data: Buffer }>();

  function block(number: number): Buffer {
    let found = blocks.get(number);
    if (found === undefined) {
      const memory = memoryForBlock();
      found = { memory, data: memory.subarray(0, readSync(file, memory, 0, blockBytes, number * blockBytes)) };
      blocks.set(number, found);
    }
    return found.data;
  }

  /** That of the oldest block once there are enough: new memory for each would pile up until it is collected. */
  function memoryForBlock(): Buffer {
    if (blocks.size < blocksKept) return Buffer.allocUnsafeSlow(blockBytes);
    const [oldest, { memory }] = blocks.entries().next().value!;
    blocks.delete(oldest);
    return memory;
  }

  return {
    lineAt(offset) {
      let number = Math.floor(offset / blockBytes);
      let data = block(number);
      let start = offset % blockBytes;
      const parts: Buffer[] = [];
      for (;;) {
        const end = data.indexOf(10, start);
        if (end !== -1) {
          if (parts.length === 0) return data.toString("utf8", start, end);
          parts.push(data.subarray(start, end));
          return Buffer.concat(parts).toString("utf8");
        }
        if (data.length === 0)
          throw new UserError(`${path} ends in the middle of the line at byte ${offset}: somebody cut it; ${mend}`);
        // A copy: the block's memory may be used again for the next one.
        parts.push(Buffer.from(data.subarray(start)));
        data = block(++number);
        start = 0;
      }
    },
    close() {
      closeSync(file);
    },
  };
}
