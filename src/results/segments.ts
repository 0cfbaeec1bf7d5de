import { closeSync, createReadStream, existsSync, openSync, readdirSync, readSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { watchFolder } from "../config/folder-watch.ts";
import { rowOfPlace, slotOfPlace } from "../job/consensus.ts";
import { messageOf, UserError } from "../job/errors.ts";
import type { ResultLine } from "../job/result.ts";
import type { RowTable } from "../job/row-table.ts";
import { OutputError } from "./output-target.ts";
import { voidedIn } from "./void-results.ts";

/** A recorded result on its way to disk. */
export interface Recorded {
  readonly row: number;
  /** JSON of its ResultLine. */
  readonly line: string;
  /** What the line says, where its maker knows. */
  readonly result?: ResultLine;
  /** It is a vote on a row that has no result yet, and `row` the place of that vote. */
  readonly isVote?: boolean;
}

/** Results in completion order, one `ROW<tab>JSON` a line; of a vote `vPLACE<tab>JSON`. An owner only ever writes its own, named by its epoch. */
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

const headOf = (batchId: string): string => `batch ${batchId}\n`;

/** @param batchId stands in its first line, so that no segment is taken for one of another run. */
export async function createSegment(path: string, batchId?: string): Promise<SegmentWriter> {
  const file: FileHandle = await open(path, "ax", 0o600);
  const disk = watchFolder(dirname(path));
  let size = 0;
  if (batchId !== undefined) {
    await file.appendFile(headOf(batchId));
    size = headOf(batchId).length;
  }
  return {
    path,
    async append(group) {
      const gone = disk.trouble();
      if (gone !== undefined) throw existsSync(path) ? backElsewhere(path) : new DiskGone(gone);
      const offsets: number[] = [];
      const parts: string[] = [];
      let end = size;
      for (const { row, line, isVote } of group) {
        const head = isVote === true ? `v${row}\t` : `${row}\t`;
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
    // All that counts is synced; a disk that has gone refuses even this.
    close: () => file.close().catch(() => {}),
  };
}

class DiskGone extends Error {}

/** What we have open leads to a device that is no more. */
function backElsewhere(path: string): OutputError {
  return new OutputError(
    `the disk of ${path} went, and is there again as another device; run the same command again, which goes on from here`,
  );
}

const voteMark = "v".charCodeAt(0);

/**
 * Reads a segment in the order it was written; a torn last line (no line end, as a kill in the middle of a write leaves
 * it) is dropped, and so is a result that no longer counts.
 */
export async function* readSegment(path: string): AsyncGenerator<Recorded & { readonly offset: number }> {
  const voided = voidedIn(path);
  let rest: Buffer = Buffer.alloc(0);
  let restOffset = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    const data = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    let start = 0;
    for (let end = data.indexOf(10, start); end !== -1; end = data.indexOf(10, start)) {
      const tab = data.indexOf(9, start);
      const isVote = data[start] === voteMark;
      const from = isVote ? start + 1 : start;
      const row = tab > from && tab < end ? Number(data.toString("latin1", from, tab)) : Number.NaN;
      // A line that does not begin with a row number was not written by us; its row is asked again.
      if (Number.isSafeInteger(row)) {
        const line = data.toString("utf8", tab + 1, end);
        const offset = restOffset + tab + 1;
        if (!voided.has(offset)) yield isVote ? { row, line, offset, isVote } : { row, line, offset };
      }
      start = end + 1;
    }
    rest = Buffer.from(data.subarray(start));
    restOffset += start;
  }
}

/** Votes on rows that have no result yet: row → place among its votes → what came of it. */
export type EarlyVotes = Map<number, Map<number, ResultLine>>;

/**
 * Marks in the table what earlier owners stored; of two results of a row the first wins. Returns the votes beside them.
 * @param retryFailedBelowEpoch failed results of segments below this epoch do not count.
 * @throws UserError when a segment is of another batch.
 */
export async function readStoredResults(
  batchId: string,
  segments: readonly { readonly epoch: number; readonly path: string }[],
  retryFailedBelowEpoch: number,
  table: RowTable,
  onResult: (result: ResultLine) => void,
): Promise<EarlyVotes> {
  const votes: EarlyVotes = new Map();
  for (const [number, { epoch, path }] of segments.entries()) {
    refuseOtherBatch(path, batchId);
    for await (const { row, isVote, line, offset } of readSegment(path)) {
      if (isVote === true) {
        const vote = table.stateOf(rowOfPlace(row)) === "stored" ? undefined : parseStored(row, line);
        if (vote !== undefined) addVote(votes, row, vote);
        continue;
      }
      if (table.stateOf(row) === "stored") continue;
      const result = parseStored(row, line);
      // Also those that led to a failure which does not count: all of them are asked again.
      if (result !== undefined) votes.delete(row);
      if (result === undefined || (result.status === "failed" && epoch < retryFailedBelowEpoch)) continue;
      table.store(row, number, offset);
      onResult(result);
    }
  }
  return votes;
}

/** The first one at its place wins. */
export function addVote(votes: EarlyVotes, place: number, vote: ResultLine): void {
  const row = rowOfPlace(place);
  let ofRow = votes.get(row);
  if (ofRow === undefined) {
    ofRow = new Map();
    votes.set(row, ofRow);
  }
  if (!ofRow.has(slotOfPlace(place))) ofRow.set(slotOfPlace(place), vote);
}

function refuseOtherBatch(path: string, batchId: string): void {
  const start = Buffer.alloc(200);
  const file = openSync(path, "r");
  const length = readSync(file, start);
  closeSync(file);
  const [, found] = /^batch (\S+)\n/.exec(start.toString("latin1", 0, length)) ?? [];
  if (found === undefined || found === batchId) return;
  throw new UserError(
    `${path} holds results of batch ${found}, the unfinished run that it lies beside is batch ${batchId}; move it away, then run the same command again`,
  );
}

/** Segments that hold more rows than there are cannot be all of this run. */
export function rowsBeyondInput(outputPath: string, stored: number, rows: number): UserError {
  return new UserError(
    `${outputPath}.part.* hold a result of row ${stored - 1}, and the input has ${rows} rows; bring the files back that the run wrote, or give --fresh to start over`,
  );
}

/** Appends, however long it takes until the disk has room, or is there again. */
export async function appendWhenThereIsRoom(
  segment: SegmentWriter,
  group: readonly Recorded[],
  onWait: (reason: string | undefined) => void,
  isStopping: () => boolean,
): Promise<number[]> {
  for (;;) {
    try {
      const offsets = await segment.append(group);
      onWait(undefined);
      return offsets;
    } catch (error) {
      if (error instanceof OutputError) throw error;
      const trouble =
        error instanceof DiskGone ? error.message : `cannot write ${segment.path}: ${messageOf(error)}; make room`;
      onWait(`${trouble}, the run goes on by itself`);
      if (isStopping()) throw error;
      await sleep(1_000);
    }
  }
}

/** Undefined for a line that is no result of that row (a power cut left it so, or a hand): the row is asked again. */
function parseStored(row: number, line: string): ResultLine | undefined {
  try {
    const result = JSON.parse(line) as Partial<ResultLine> | null;
    return isResultOf(row, result) ? result : undefined;
  } catch {
    return undefined;
  }
}

function isResultOf(row: number, result: Partial<ResultLine> | null): result is ResultLine {
  if (typeof result !== "object" || result === null) return false;
  const { id, index, status, usage, error } = result;
  const isWhole = status === "answered" || (status === "failed" && typeof error?.code === "string");
  return index === row && typeof id === "string" && isWhole && typeof usage?.output_tokens === "number";
}
