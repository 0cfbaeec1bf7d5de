import type { RowParser } from "./intake/parse-row.ts";
import type { LineFormat, PromptRow } from "./job/row.ts";
import type { PlannedRow } from "./plan-row.ts";
import type { FeedLine } from "./queue/feed.ts";
import type { Router } from "./routing/choose-model.ts";

/** Where intake and routing meet: what a line of the input asks, and of whom. */
export interface LineReader {
  read(line: FeedLine, lineNumber: number): PlannedRow;
  /** Its two halves, for who only counts. */
  readonly parse: RowParser;
  readonly route: Router;
  /** The same for a row that did not come as a line. */
  readonly plan: (row: PromptRow) => PlannedRow;
  /** How many tiers rows can possibly go to. */
  readonly possibleTiers: number;
  /** How the first good line of the input was written. */
  readonly format: LineFormat;
}

export function createLineReader(
  parse: RowParser,
  route: Router,
  plan: (row: PromptRow) => PlannedRow,
  possibleTiers: number,
  format: LineFormat,
): LineReader {
  return {
    parse,
    route,
    plan,
    possibleTiers,
    format,
    read(line, lineNumber) {
      const parsed = parse(line.bytes, lineNumber);
      if (!parsed.ok) {
        const { id, message, metadata } = parsed;
        return { ok: false, id, code: "invalid_row", message, ...(metadata === undefined ? {} : { metadata }) };
      }
      const planned = plan(parsed.row);
      return planned.ok ? planned : { ...planned, message: `line ${lineNumber}: ${planned.message}` };
    },
  };
}
