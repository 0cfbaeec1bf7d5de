import type { RowParser } from "./intake/parse-row.ts";
import type { LineFormat, PromptRow } from "./job/row.ts";
import type { PlannedRow } from "./plan-row.ts";
import type { FeedLine } from "./queue/feed.ts";
import type { RoutePlan, Router } from "./routing/choose-model.ts";
import type { VotedRow } from "./routing/expand-votes.ts";

/** Where intake and routing meet: what a line of the input asks, and of whom. */
export interface LineReader {
  read(line: FeedLine, lineNumber: number): PlannedRow;
  /** Its two halves, for who only counts. */
  readonly parse: RowParser;
  readonly route: Router;
  /** The route of a row, or of each model that it is put to. */
  readonly routes: (row: VotedRow) => RoutePlan[];
  /** The same for a row that did not come as a line. */
  readonly plan: (row: PromptRow) => PlannedRow;
  /** How many tiers rows can possibly go to, or lines they can wait in; grows with rules that rows bring. */
  readonly possibleTiers: number;
  /** How the first good line of the input was written. */
  readonly format: LineFormat;
}

export function createLineReader(
  { parse, route, routes, plan, format }: Pick<LineReader, "parse" | "route" | "routes" | "plan" | "format">,
  possibleTiers: number,
): LineReader {
  const lanesOfRows = new Set<string>();
  return {
    parse,
    route,
    routes,
    plan,
    format,
    get possibleTiers() {
      // Where one row brought a rule, another may bring another.
      return possibleTiers + (lanesOfRows.size === 0 ? 0 : lanesOfRows.size + 1);
    },
    read(line, lineNumber) {
      const parsed = parse(line.bytes, lineNumber);
      if (!parsed.ok) {
        const { id, message, metadata } = parsed;
        return { ok: false, id, code: "invalid_row", message, ...(metadata === undefined ? {} : { metadata }) };
      }
      const planned = plan(parsed.row);
      if (planned.ok && parsed.row.consensus !== undefined) lanesOfRows.add(planned.row.lane);
      return planned.ok ? planned : { ...planned, message: `line ${lineNumber}: ${planned.message}` };
    },
  };
}
