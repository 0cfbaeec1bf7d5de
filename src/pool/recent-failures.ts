/** How a row has failed, without anything of what it holds. */
export interface RowFailure {
  readonly atMs: number;
  readonly batch: string;
  /** Its position in the input. */
  readonly row: number;
  readonly tier: string;
  readonly model: string;
  readonly code: string;
  readonly message: string;
}

export interface RecentFailures {
  note(failure: Omit<RowFailure, "atMs">): void;
  last(): readonly RowFailure[];
}

const mostKept = 8;
const longestMessage = 300;

export function createRecentFailures(): RecentFailures {
  const kept: RowFailure[] = [];
  return {
    note(failure) {
      kept.push({ ...failure, atMs: Date.now(), message: failure.message.slice(0, longestMessage) });
      if (kept.length > mostKept) kept.shift();
    },
    last: () => kept,
  };
}
