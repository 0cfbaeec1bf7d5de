import { createReadStream, existsSync, readdirSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ResultLine } from "../job/result.ts";
import type { RowTable } from "../job/row-table.ts";

/** A recorded result on its way to disk. */
export interface Recorded {
  readonly row: number;
  /** JSON of its ResultLine. */
  readonly line: string;
}

/** Results in completion order, one `ROW<tab>JSON` a line. An owner only ever writes its own, named by its epoch. */
export interface SegmentWriter {
  readonly path: string;
  /** Appends and syncs; returns the byte offset of each line's JSON. After an error nothing of the group is there. */
  append(group: readonly Recorded[]): Promise<number[]>;
  close(): Promise<void>;
}

export const segmentPath = (outputPath: string, epoch: number): string => `${outputPath}.part.${epoch}`;

/** Segments that earlier owners left, by rising epoch. */
export function findSegments(outputPath: string): { readonly epoch: number; readonly path: string }[] {
  const directory = dirname(outputPath);
  if (!existsSync(directory)) return [];
  const prefix = `${basename(outputPath)}.part.`;
  return readdirSync(directory)
    .filter((name) => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map((name) => ({ epoch: Number(name.slice(prefix.length)), path: join(directory, name) }))
    .sort((one, other) => one.epoch - other.epoch);
}

export async function createSegment(path: string): Promise<SegmentWriter> {
  const file: FileHandle = await open(path, "ax", 0o600);
  let size = 0;
  return {
    path,
    async append(group) {
      const offsets: number[] = [];
      const parts: string[] = [];
      let end = size;
      for (const { row, line } of group) {
        const head = `${row}\t`;
        offsets.push(end + head.length);
        parts.push(head, line, "\n");
        end += head.length + Buffer.byteLength(line) + 1;
      }
      try {
        await file.appendFile(parts.join(""));
        await file.datasync();
      } catch (error) {
        await file.truncate(size).catch(() => {});
        throw error;
      }
      size = end;
      return offsets;
    },
    close: () => file.close(),
  };
}

/**
 * Reads a segment in the order it was written; a torn last line (no line end, as a kill in the middle of a write leaves
 * it) is dropped.
 */
export async function* readSegment(path: string): AsyncGenerator<Recorded & { readonly offset: number }> {
  let rest: Buffer = Buffer.alloc(0);
  let restOffset = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const data = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    let start = 0;
    for (let end = data.indexOf(10, start); end !== -1; end = data.indexOf(10, start)) {
      const tab = data.indexOf(9, start);
      const row = tab > start && tab < end ? Number(data.toString("latin1", start, tab)) : Number.NaN;
      // A line that does not begin with a row number was not written by us; its row is asked again.
      if (Number.isSafeInteger(row)) {
        yield { row, line: data.toString("utf8", tab + 1, end), offset: restOffset + tab + 1 };
      }
      start = end + 1;
    }
    rest = Buffer.from(data.subarray(start));
    restOffset += start;
  }
}

/**
 * Marks in the table what earlier owners stored; of two results of a row the first wins.
 * @param retryFailedBelowEpoch failed results of segments below this epoch do not count.
 */
export async function readStoredResults(
  segments: readonly { readonly epoch: number; readonly path: string }[],
  retryFailedBelowEpoch: number,
  table: RowTable,
  onResult: (result: ResultLine) => void,
): Promise<void> {
  for (const [number, { epoch, path }] of segments.entries()) {
    for await (const { row, line, offset } of readSegment(path)) {
      if (table.stateOf(row) === "stored") continue;
      const result = parseStored(line);
      if (result === undefined || (result.status === "failed" && epoch < retryFailedBelowEpoch)) continue;
      table.store(row, number, offset);
      onResult(result);
    }
  }
}

/** Undefined for a line that a power cut left damaged: its row is asked again. */
function parseStored(line: string): ResultLine | undefined {
  try {
    return JSON.parse(line) as ResultLine;
  } catch {
    return undefined;
  }
}
