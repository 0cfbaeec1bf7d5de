/** The rows of one tier that are in Redis: fed, and without a result on disk. */
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
  /** Rows that its jobs should hold: what keeps a slot busy for a quarter of a second, at most. */
  rowsPerJob(): number;
  enter(row: number, bytes: number, tiers: readonly string[]): void;
}

export interface FedRow {
  readonly window: TierWindow;
  readonly bytes: number;
  readonly fedAtMs: number;
  /** Tier of each model of its route. */
  readonly tiers: readonly string[];
  /** The row by which its first job is named. */
  jobRow: number;
}

export interface Windows {
  of(tier: string): TierWindow;
  all(): readonly TierWindow[];
  /** Rows that the owner records itself, as they cannot be asked; they too must not flood Redis. */
  readonly ownRecords: TierWindow;
  someAreFull(): boolean;
  fullCount(): number;
  /** The window that the row left, or undefined when it was in none. */
  leave(row: number): TierWindow | undefined;
  fedRows(): ReadonlyMap<number, FedRow>;
  /** Rows per job for a tier. */
  rowsPerJob(tier: string): number;
  /** Notes by which row each row's job is named, as placing said. */
  noteJobs(rows: readonly { readonly row: number }[], jobRows: readonly (number | undefined)[]): void;
}

/** All windows together hold at most this many bytes of payloads. */
const mostBytes = 64 * 1024 * 1024;
const mostRows = 4_000;
const leastRows = 64;
const mostOwnRecords = 2_000;
const longestJobMs = 250;
const mostRowsPerJob = 16;

/**
 * A window holds what its tier finishes in about a second: the owner refills it within milliseconds, so more would only
 * be memory. At least four times the calls in flight, so that no slot waits for a row.
 */
export function createWindows(concurrencyOf: (tier: string) => number): Windows {
  const windows: TierWindow[] = [];
  const byTier = new Map<string, TierWindow>();
  const fed = new Map<number, FedRow>();
  let bytesInside = 0;
  const leaveHooks = new Map<TierWindow, (row: FedRow) => void>();

  function create(tier: string, slots: () => number, limit: (drainPerSecond: number) => number): TierWindow {
    let rows = 0;
    let drained = 0;
    let drainPerSecond = 0;
    let measuredAtMs = Date.now();
    function measureDrain(): void {
      const elapsedMs = Date.now() - measuredAtMs;
      if (elapsedMs < 250) return;
      drainPerSecond = (drained * 1_000) / elapsedMs;
      drained = 0;
      measuredAtMs += elapsedMs;
    }
    const window: TierWindow = {
      tier,
      number: windows.length,
      parked: 0,
      cursor: 0,
      get rows() {
        return rows;
      },
      hasRoom() {
        if (rows === 0) return true;
        measureDrain();
        return rows < limit(drainPerSecond) && bytesInside < mostBytes;
      },
      rowsPerJob() {
        const perSlot = (drainPerSecond * longestJobMs) / 1_000 / slots();
        return Math.max(1, Math.min(mostRowsPerJob, Math.floor(perSlot)));
      },
      enter(row, bytes, tiers) {
        rows++;
        bytesInside += bytes;
        fed.set(row, { window, bytes, fedAtMs: Date.now(), tiers, jobRow: row });
      },
    };
    leaveHooks.set(window, (row) => {
      rows--;
      drained++;
      bytesInside -= row.bytes;
    });
    windows.push(window);
    return window;
  }

  const ownRecords = create(
    "",
    () => 1,
    () => mostOwnRecords,
  );
  return {
    ownRecords,
    of(tier) {
      let window = byTier.get(tier);
      if (window === undefined) {
        window = create(
          tier,
          () => concurrencyOf(tier),
          (drainPerSecond) =>
            Math.min(mostRows, Math.max(leastRows, 4 * concurrencyOf(tier), Math.ceil(drainPerSecond))),
        );
        byTier.set(tier, window);
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
    rowsPerJob: (tier) => byTier.get(tier)?.rowsPerJob() ?? 1,
    noteJobs(rows, jobRows) {
      for (const [order, { row }] of rows.entries()) {
        const one = fed.get(row);
        if (one !== undefined) one.jobRow = jobRows[order] ?? row;
      }
    },
  };
}
