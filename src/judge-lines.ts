import { createIdSet } from "./job/id-set.ts";
import { type ErrorCode, failedWithoutCall, type ResultLine } from "./job/result.ts";
import type { PlannedRow } from "./plan-row.ts";
import type { FeedLine } from "./queue/feed.ts";
import type { PreparedLine } from "./queue/prepared-ahead.ts";

interface RowFailure {
  readonly code: ErrorCode;
  readonly message: string;
}

/** What becomes of the lines of a batch: rows to ask, or failed results. */
export interface LineJudge {
  /** @param isFirstLook false when the line was prepared before, so that its id is no duplicate of itself. */
  prepare(line: FeedLine, isFirstLook: boolean): PreparedLine;
  /** A result from an earlier start: its row's id is taken. */
  noteStored(result: ResultLine): void;
  /** From now on every row fails so. */
  endAll(failure: RowFailure): void;
}

export function createLineJudge(
  readLine: (line: FeedLine) => PlannedRow,
  lineNumberOf: (index: number) => number,
): LineJudge {
  const ids = createIdSet();
  const duplicates = new Set<number>();
  let ending: RowFailure | undefined;

  return {
    prepare(line, isFirstLook) {
      const planned = readLine(line);
      if (!planned.ok) return failed(line.index, planned.id, null, planned, planned.metadata);
      const { row } = planned;
      if (isFirstLook && !ids.add(row.id)) duplicates.add(line.index);
      if (duplicates.has(line.index)) {
        const message = `line ${lineNumberOf(line.index)}: the id ${JSON.stringify(row.id)} was used by an earlier row; every id must be used once`;
        return failed(line.index, row.id, row.task, { code: "invalid_row", message }, row.metadata);
      }
      if (ending !== undefined) return failed(line.index, row.id, row.task, ending, row.metadata);
      const { task, route, tiers, payload, lane, votes } = row;
      return { kind: "row", row: { row: line.index, task, route, tiers, payload, lane, votes } };
    },
    noteStored(result) {
      // An invalid row did not use its id up: another row may have it by right.
      if (result.error?.code !== "invalid_row") ids.add(result.id);
    },
    endAll(failure) {
      ending = failure;
    },
  };
}

function failed(
  index: number,
  id: string,
  task: string | null,
  failure: RowFailure,
  metadata: Readonly<Record<string, unknown>> | undefined,
): PreparedLine {
  return { kind: "failed", line: JSON.stringify(failedWithoutCall(index, id, task, failure, metadata)) };
}
