import type { RowFailure } from "../pool/recent-failures.ts";

/** How a row has failed; without a tier no call was made. */
export type SeenFailure = Omit<RowFailure, "tier" | "model"> & Partial<Pick<RowFailure, "tier" | "model">>;

/** Rows that failed alike, told by the newest of them. */
export interface FailureView extends SeenFailure {
  /** So many were seen; there may be more. */
  readonly times: number;
}

/** The last failures in plain words: rows that fail alike are one entry, so that they do not hide others. */
export interface FailureBook {
  /** Says nothing new of a failure that it has seen. */
  note(failure: SeenFailure): void;
  /** Newest first. */
  all(): readonly FailureView[];
}

const mostEntries = 20;
const mostSeen = 1_000;

export function createFailureBook(): FailureBook {
  const seen = new Set<string>();
  const entries = new Map<string, FailureView>();
  return {
    note(failure) {
      const { batch, row, tier, code, message } = failure;
      const key = `${batch} ${row} ${code} ${message}`;
      if (seen.has(key)) return;
      seen.add(key);
      if (seen.size > mostSeen) seen.delete(seen.values().next().value!);
      const kind = JSON.stringify([batch, tier, code, message]);
      const times = (entries.get(kind)?.times ?? 0) + 1;
      // The map's order is by the newest of each kind.
      entries.delete(kind);
      entries.set(kind, { ...failure, times });
      if (entries.size > mostEntries) entries.delete(entries.keys().next().value!);
    },
    all: () => [...entries.values()].sort((one, other) => other.atMs - one.atMs),
  };
}
