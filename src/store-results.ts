import type { ResultLine } from "./job/result.ts";
import type { RowTable } from "./job/row-table.ts";
import type { Feeder } from "./queue/feed.ts";
import { appendWhenThereIsRoom, type Recorded, type SegmentWriter } from "./results/segments.ts";

export interface StoreOptions {
  readonly segment: SegmentWriter;
  /** The number by which the table knows it. */
  readonly segmentNumber: number;
  readonly table: RowTable;
  readonly feeder: () => Feeder;
  readonly onResult: (result: ResultLine) => void;
  /** The disk lets it wait, or does no longer. */
  readonly onWait: (reason: string | undefined) => void;
  readonly isStopping: () => boolean;
  /** Rows have left the window. */
  readonly onStored: (rows: readonly number[]) => void;
}

/** Puts results, and votes on rows that have none yet, where they are safe; one group at a time, each row once. */
export function createResultStore(options: StoreOptions): (group: readonly Recorded[]) => Promise<void> {
  const { segment, segmentNumber, table, feeder, onResult, onWait, isStopping } = options;

  async function store(group: readonly Recorded[]): Promise<void> {
    const fresh = new Map<number, Recorded>();
    const votes: Recorded[] = [];
    for (const one of group) {
      if (one.isVote === true) votes.push(one);
      else if (table.stateOf(one.row) !== "stored") fresh.set(one.row, one);
    }
    const results = [...fresh.values()];
    const recorded = votes.length === 0 ? results : [...results, ...votes];
    if (recorded.length === 0) return;
    const offsets = await appendWhenThereIsRoom(segment, recorded, onWait, isStopping);
    results.forEach(({ row, line, result = JSON.parse(line) as ResultLine }, at) => {
      feeder().stored(row);
      table.store(row, segmentNumber, offsets[at]!);
      onResult(result);
      if (result.tier !== null && result.consensus === undefined)
        feeder().windows.noteLatency(result.tier, result.latency_ms);
    });
    options.onStored(results.map(({ row }) => row));
    // Votes say how fast a tier is, long before a row has all of its own and is stored.
    if (votes.length > 0) feeder().lookForRoom();
  }

  let last: Promise<void> = Promise.resolve();
  let waiting: Recorded[] = [];
  let next: Promise<void> | undefined;
  /** What comes while a group is written makes one group. */
  return (group) => {
    waiting.push(...group);
    if (next === undefined) {
      next = last.then(() => {
        const together = waiting;
        waiting = [];
        next = undefined;
        return store(together);
      });
      last = next.catch(() => {});
    }
    return next;
  };
}
