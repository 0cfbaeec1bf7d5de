import type { RowToPlace } from "./place-rows.ts";

/** What a line turned out to be. */
export type PreparedLine =
  | { readonly kind: "row"; readonly row: Omit<RowToPlace, "again"> }
  /** It cannot be asked: `line` is its result. */
  | { readonly kind: "failed"; readonly line: string };

/** Rows that were looked at before there was room for them, so that most need not be read and judged a second time. */
export interface PreparedAhead<Prepared> {
  readonly isFull: boolean;
  /** Keeps it, unless full: then it is only parked. */
  keep(row: number, prepared: Prepared, bytes: number): void;
  take(row: number): Prepared | undefined;
  clear(): void;
}

const mostBytes = 4 * 1024 * 1024;

export function createPreparedAhead<Prepared>(): PreparedAhead<Prepared> {
  const kept = new Map<number, { readonly prepared: Prepared; readonly bytes: number }>();
  let bytesKept = 0;
  return {
    get isFull() {
      return bytesKept >= mostBytes;
    },
    keep(row, prepared, bytes) {
      if (bytesKept >= mostBytes) return;
      kept.set(row, { prepared, bytes });
      bytesKept += bytes;
    },
    take(row) {
      const found = kept.get(row);
      if (found === undefined) return undefined;
      kept.delete(row);
      bytesKept -= found.bytes;
      return found.prepared;
    },
    clear() {
      kept.clear();
      bytesKept = 0;
    },
  };
}

/** How far the chunk of lines that was read last is looked at. */
export interface ChunkPosition<Line, Prepared> {
  lines: readonly Line[];
  at: number;
  /** The line at `at` was prepared before, so its id is known. */
  preparedBefore: boolean;
  /** What the line at `at` turned out to be, when there was no room for it yet. */
  prepared: Prepared | undefined;
  /** One chunk was looked at while windows were full: enough for this time. */
  looked: boolean;
}
