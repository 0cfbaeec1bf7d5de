import { type BatchShare, createWindowShares, type LaneShare } from "./window-shares.ts";

/** The rows of one tier (or lane of it) that are in Redis: fed, and without a result on disk. One with votes counts as these. */
export interface TierWindow {
  readonly tier: string;
  /** The number that the row table knows the tier by. */
  readonly number: number;
  /** Rows that wait on disk for room. */
  parked: number;
  /** No parked row of this tier lies before it. */
  cursor: number;
  readonly rows: number;
  hasRoom(): boolean;
  /** Whether rows for it wait here; others may have its part of the tier while none does. */
  wants(isWanting: boolean): void;
  /** @param calls that it stands for: as many as models vote on it. */
  enter(row: number, bytes: number, tiers: readonly string[], calls?: number): void;
}

export interface FedRow {
  readonly window: TierWindow;
  readonly bytes: number;
  readonly calls: number;
  readonly fedAtMs: number;
  /** Tier of each model of its route. */
  readonly tiers: readonly string[];
  /** The row by which its first job is named. */
  jobRow: number;
}

export interface Windows {
  /** @param lane what its rows wait in line for, where that is less than the whole tier. */
  of(tier: string, lane?: string): TierWindow;
  all(): readonly TierWindow[];
  /** Rows that the owner records itself, as they cannot be asked; they too must not flood Redis. */
  readonly ownRecords: TierWindow;
  someAreFull(): boolean;
  fullCount(): number;
  /** The window that the row left, or undefined when it was in none. */
  leave(row: number): TierWindow | undefined;
  fedRows(): ReadonlyMap<number, FedRow>;
  /** Rows that a job of the tier should hold: what keeps a slot busy for a quarter of a second, at most. */
  rowsPerJob(tier: string): number;
  /** A call of that tier (or lane) took this long; the first ones say at once how fast a tier is. */
  noteLatency(name: string, latencyMs: number): void;
  /** Notes by which row each row's job is named, as placing said. */
  noteJobs(rows: readonly { readonly row: number }[], jobRows: readonly (number | undefined)[]): void;
}

const mostRows = 4_000;
const leastRows = 64;
/** The row table numbers them in a byte; lanes beyond that share their tier's window. */
const mostWindows = 200;
const mostOwnRecords = 2_000;
const longestJobMs = 250;
const mostRowsPerJob = 32;
/**
 * A window may hold so many times the bytes that are left of all: alone four fifths, beside another that is full still
 * more than a few rows, however large. So no tier that is down takes all room with its images.
 */
const timesWhatIsLeft = 4;
/** Once full a window is filled again with so many jobs at a time: rows that come one by one could share none. */
const jobsPerFilling = 8;
/** Where a job holds fewer rows there is little to gain, and rows of a limit would not be there at their turn. */
const leastToShare = 8;
/** Rows for each call in flight until a first answer says how fast the tier is: as yet they get a job each. */
const firstTurns = 1.25;
/** Weight of the newest call in the mean latency. */
const newestWeight = 1 / 16;

/**
 * A window holds what its tier finishes in about a second: the owner refills it within milliseconds, so more would only
 * be memory. At least four times the calls in flight, so that no slot waits for a row; one and a quarter before the first
 * answer.
 * @param share the batch's part beside others; default: it is alone.
 */
export function createWindows(
  concurrencyOf: (tier: string) => number,
  share: BatchShare = createWindowShares().join(1),
): Windows {
  const windows: TierWindow[] = [];
  const byLane = new Map<string, TierWindow>();
  const fed = new Map<number, FedRow>();
  let bytesInside = 0;
  /** Of tiers, and of lanes of which something else is known. */
  const latencies = new Map<string, number>();
  const leaveHooks = new Map<TierWindow, (row: FedRow) => void>();

  function create(
    tier: string,
    lane: string,
    place: LaneShare,
    slots: () => number,
    limit: (rowsPerSecond: number) => number,
  ): TierWindow {
    /** What was done of late, or could be: the one is more with pools elsewhere, the other while it still gets going. */
    function rowsPerSecond(): number {
      const latencyMs = latencies.get(lane) ?? latencies.get(tier);
      return Math.max(place.drainPerSecond(), latencyMs === undefined ? 0 : (slots() * 1_000) / latencyMs);
    }
    let bytesHere = 0;
    let isFull = false;
    let callsPerRow = 1;
    const window: TierWindow = {
      tier,
      number: windows.length,
      parked: 0,
      cursor: 0,
      get rows() {
        return place.rows;
      },
      hasRoom() {
        const most = place.limit(limit(rowsPerSecond()));
        const together = rowsPerJob(tier);
        const filling =
          isFull && together >= leastToShare ? Math.min(most / 8, jobsPerFilling * together * callsPerRow) : 0;
        const bytesLeft = share.mostBytes() - bytesInside;
        isFull = place.rows > 0 && (place.rows + filling >= most || bytesHere >= timesWhatIsLeft * bytesLeft);
        return !isFull;
      },
      wants(isWanting) {
        place.wants = isWanting;
      },
      enter(row, bytesOfCall, tiers, calls = 1) {
        const bytes = bytesOfCall * calls;
        place.rows += calls;
        bytesInside += bytes;
        bytesHere += bytes;
        callsPerRow = calls;
        fed.set(row, { window, bytes, calls, fedAtMs: performance.now(), tiers, jobRow: row });
      },
    };
    leaveHooks.set(window, (row) => {
      place.rows -= row.calls;
      place.noteDrained(row.calls);
      bytesInside -= row.bytes;
      bytesHere -= row.bytes;
    });
    windows.push(window);
    return window;
  }

  function rowsPerJob(tier: string): number {
    const latencyMs = latencies.get(tier);
    if (latencyMs === undefined) return 1;
    return Math.max(1, Math.min(mostRowsPerJob, Math.floor(longestJobMs / latencyMs)));
  }

  const ownRecords = create(
    "",
    "",
    // Nobody waits in line for these.
    createWindowShares().join(1).of(""),
    () => 1,
    () => mostOwnRecords,
  );
  return {
    ownRecords,
    of(tier, wantedLane = tier) {
      const lane = windows.length < mostWindows ? wantedLane : tier;
      let window = byLane.get(lane);
      if (window === undefined) {
        window = create(
          tier,
          lane,
          share.of(lane),
          () => concurrencyOf(tier),
          (rowsPerSecond) => {
            const turns = rowsPerSecond === 0 ? firstTurns : 4;
            return Math.min(
              mostRows,
              Math.max(leastRows, Math.ceil(turns * concurrencyOf(tier)), Math.ceil(rowsPerSecond)),
            );
          },
        );
        byLane.set(lane, window);
      }
      return window;
    },
    all: () => windows,
    someAreFull: () => windows.some((window) => window.parked > 0),
    fullCount: () => windows.reduce((count, window) => count + (window.parked > 0 ? 1 : 0), 0),
    leave(row) {
      const one = fed.get(row);
      if (one === undefined) return undefined;
      fed.delete(row);
      leaveHooks.get(one.window)!(one);
      return one.window;
    },
    fedRows: () => fed,
    rowsPerJob,
    noteLatency(name, latencyMs) {
      const newestMs = Math.max(1, latencyMs);
      const meanMs = latencies.get(name);
      latencies.set(name, meanMs === undefined ? newestMs : meanMs + (newestMs - meanMs) * newestWeight);
    },
    noteJobs(rows, jobRows) {
      for (const [order, { row }] of rows.entries()) {
        const one = fed.get(row);
        if (one !== undefined) one.jobRow = jobRows[order] ?? row;
      }
    },
  };
}
