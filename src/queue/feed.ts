import type { RowTable } from "../job/row-table.ts";
import type { RowToPlace } from "./place-rows.ts";
import { type ChunkPosition, createPreparedAhead, type PreparedLine } from "./prepared-ahead.ts";
import { createWakeUp } from "./wake-up.ts";
import { createWindows, type TierWindow, type Windows } from "./window.ts";
import type { BatchShare } from "./window-shares.ts";

/** A line of the input as the feeder needs it. */
export interface FeedLine {
  readonly index: number;
  readonly offset: number;
  readonly bytes: Buffer;
  /** It is not to be asked this time; it has its place in the input all the same. */
  readonly isLeftOut?: boolean;
}

export interface FeedOptions {
  readonly lines: () => AsyncIterable<readonly FeedLine[]>;
  readonly readLineAt: (offset: number) => Buffer;
  readonly table: RowTable;
  readonly prepare: (line: FeedLine, isFirstLook: boolean) => PreparedLine;
  readonly place: (rows: readonly RowToPlace[]) => Promise<void>;
  readonly fail: (row: number, line: string) => void;
  /** Rows that may have been placed by an earlier owner. */
  readonly placedBefore: ReadonlySet<number>;
  /** How many tiers rows of this input can possibly go to. */
  readonly possibleTiers: number;
  readonly concurrencyOf: (tier: string) => number;
  /** Its part of the tiers beside other batches. Default: it is alone. */
  readonly share?: BatchShare | undefined;
  /** The whole input was seen; so many rows it has. */
  readonly onScanned: (rows: number) => void;
}

export interface Feeder {
  /** Feeds until `stop()`; rejects with what `place` or the input threw. */
  run(): Promise<void>;
  /** The whole input was seen, so `table.length` is its number of rows. */
  readonly scannedAll: boolean;
  readonly windows: Windows;
  /** A row's result is on disk: it leaves the window. To be told before the table is. */
  stored(row: number): void;
  lookForRoom(): void;
  /** Feeds rows of the window once more, under new job ids. */
  feedAgain(rows: Iterable<number>): void;
  /** Feeds a row whose result counts no longer, unseen again, from there in the input. */
  putBack(row: number, inputOffset: number): void;
  /** While paused nothing more is fed; what is in the window goes on. */
  pause(isPaused: boolean): void;
  stop(): void;
}

const rowsPerPlacing = 256;
/** While rows of one tier are parked, the rest of the input is looked at slowly, in search of rows for other tiers. */
const lookAheadPauseMs = 20;
/** Slower still once enough is prepared ahead: rows looked at later would have to be read a second time. */
const lookFurtherPauseMs = 100;
/** No result for this long: the tiers seen so far are slow or dead, and whoever could work waits further on. */
const quietAfterMs = 200;

/**
 * Keeps a window of unfinished rows in Redis, counted per tier. A row whose tier's window is full is parked (only its
 * offset is kept) and the feeder reads on, so that rows for a dead tier never hold up those for a healthy one; a tier
 * takes its parked rows first.
 */
export function createFeeder(options: FeedOptions): Feeder {
  const { table, prepare } = options;
  const windows = createWindows(options.concurrencyOf, options.share);
  const again = new Set(options.placedBefore);
  let [scannedAll, stopped, paused, rowsSeen] = [false, false, false, 0];
  let [lastLookMs, lastStoredMs] = [Number.NEGATIVE_INFINITY, performance.now()];
  const ahead = createPreparedAhead<PreparedLine>();
  const { wake: signal, wait: nextSignal } = createWakeUp();
  const chunk: ChunkPosition<FeedLine, PreparedLine> = {
    lines: [],
    at: 0,
    looked: false,
    prepared: undefined,
    preparedBefore: false,
  };

  function take(index: number, offset: number, prepared: PreparedLine, into: RowToPlace[]): void {
    if (prepared.kind === "failed") {
      table.feed(index, offset, windows.ownRecords.number);
      windows.ownRecords.enter(index, prepared.line.length, []);
      options.fail(index, prepared.line);
      return;
    }
    const window = windows.of(prepared.row.tiers[0]!, prepared.row.lane);
    table.feed(index, offset, window.number);
    const { row } = prepared;
    window.enter(index, row.payload.length, row.tiers, row.votes?.voters.length);
    into.push({ ...row, again: again.delete(index) });
  }

  const windowFor = (prepared: PreparedLine): TierWindow =>
    prepared.kind === "failed" ? windows.ownRecords : windows.of(prepared.row.tiers[0]!, prepared.row.lane);

  /** Tells other batches what this one waits for. A placing that is full says nothing of what would have come next. */
  function sayWants(rows: readonly RowToPlace[]): void {
    const waiting = chunk.prepared && windowFor(chunk.prepared);
    const isFull = rows.length >= rowsPerPlacing;
    for (const window of windows.all())
      window.wants(!paused && (window.parked > 0 || window === waiting || (isFull && window.rows > 0)));
  }

  /** Parked rows of every tier that has room, oldest first. */
  function takeParked(into: RowToPlace[]): void {
    for (const window of windows.all()) {
      while (window.parked > 0 && window.hasRoom() && windows.ownRecords.hasRoom() && into.length < rowsPerPlacing) {
        const row = nextParked(window.number, window.cursor);
        if (row === undefined) throw new Error(`${window.parked} parked rows are not in the table`);
        window.cursor = row + 1;
        window.parked--;
        const offset = table.inputOffsetOf(row);
        const prepared = ahead.take(row) ?? prepare({ index: row, offset, bytes: options.readLineAt(offset) }, false);
        take(row, offset, prepared, into);
      }
    }
  }

  function nextParked(tierNumber: number, from: number): number | undefined {
    for (let row = from; row < table.length; row++) {
      if (table.stateOf(row) === "parked" && table.tierOf(row) === tierNumber) return row;
    }
    return undefined;
  }

  /** New lines, until a placing is full; a line whose tier has no room is parked. */
  async function scan(lines: AsyncIterator<readonly FeedLine[]>, into: RowToPlace[]): Promise<void> {
    while (into.length < rowsPerPlacing && windows.ownRecords.hasRoom() && !stopped) {
      if (chunk.at >= chunk.lines.length) {
        if (chunk.looked) return;
        const next = await lines.next();
        if (next.done === true) {
          scannedAll = true;
          options.onScanned(rowsSeen);
          return;
        }
        chunk.lines = next.value;
        rowsSeen = (chunk.lines.at(-1)?.index ?? rowsSeen - 1) + 1;
        chunk.at = 0;
        chunk.looked = windows.someAreFull();
      }
      const line = chunk.lines[chunk.at]!;
      if (line.isLeftOut === true || table.stateOf(line.index) !== "unseen") {
        nextLine();
        continue;
      }
      const prepared = chunk.prepared ?? prepare(line, !chunk.preparedBefore);
      const window = windowFor(prepared);
      if (prepared.kind === "row" && (window.parked > 0 || !window.hasRoom())) {
        if (window.parked === 0 && windows.fullCount() + 1 >= options.possibleTiers) {
          // No other tier could be waiting for a row behind this one: it stays where it is.
          chunk.prepared = prepared;
          chunk.preparedBefore = true;
          return;
        }
        nextLine();
        table.park(line.index, line.offset, window.number);
        window.parked++;
        ahead.keep(line.index, prepared, prepared.row.payload.length);
        continue;
      }
      nextLine();
      take(line.index, line.offset, prepared, into);
    }
  }

  function nextLine(): void {
    Object.assign(chunk, { at: chunk.at + 1, prepared: undefined, preparedBefore: false });
  }

  async function run(): Promise<void> {
    const lines = options.lines()[Symbol.asyncIterator]();
    while (!stopped) {
      const rows: RowToPlace[] = [];
      if (!paused) takeParked(rows);
      const waitForLookMs = lookAheadWaitMs();
      if (!scannedAll && rows.length < rowsPerPlacing && waitForLookMs === 0) {
        chunk.looked = false;
        lastLookMs = performance.now();
        await scan(lines, rows);
      }
      sayWants(rows);
      if (rows.length > 0) await options.place(rows);
      else await nextSignal(scannedAll || chunk.prepared !== undefined ? undefined : waitForLookMs);
    }
    await lines.return?.();
  }

  /** 0: look at new lines now; undefined: there is nothing to be found there until a window has room. */
  function lookAheadWaitMs(): number | undefined {
    if (paused || !windows.ownRecords.hasRoom()) return undefined;
    if (!windows.someAreFull()) return 0;
    if (windows.fullCount() >= options.possibleTiers) return undefined;
    const nowMs = performance.now();
    if (nowMs - lastStoredMs > quietAfterMs) return 0;
    const pauseMs = ahead.isFull ? lookFurtherPauseMs : lookAheadPauseMs;
    return Math.max(0, lastLookMs + pauseMs - nowMs);
  }

  function parkAgain(row: number, inputOffset: number, window: TierWindow): void {
    table.park(row, inputOffset, window.number);
    window.parked++;
    window.cursor = Math.min(window.cursor, row);
    again.add(row);
  }

  return {
    run,
    get scannedAll() {
      return scannedAll;
    },
    windows,
    stored(row) {
      // A row that was to be fed again may have its result by now.
      if (table.stateOf(row) === "parked") windows.all()[table.tierOf(row)]!.parked--;
      ahead.take(row);
      windows.leave(row);
      lastStoredMs = performance.now();
      signal();
    },
    lookForRoom: signal,
    feedAgain(rows) {
      for (const row of rows) {
        if (table.stateOf(row) !== "fed") continue;
        const window = windows.leave(row);
        if (window !== undefined) parkAgain(row, table.inputOffsetOf(row), window);
      }
      // What was learned of lines that wait for room may be no longer true.
      chunk.prepared = undefined;
      ahead.clear();
      signal();
    },
    putBack(row, inputOffset) {
      // Whatever tier it is for: that is seen when it is taken from there.
      parkAgain(row, inputOffset, windows.ownRecords);
      signal();
    },
    pause(isPaused) {
      paused = isPaused;
      signal();
    },
    stop() {
      stopped = true;
      signal();
    },
  };
}
