import { findModel } from "./config/ad-hoc.ts";
import type { Config } from "./config/config.ts";
import type { ParsedRow } from "./intake/parse-row.ts";
import type { RowPayload } from "./job/batch.ts";
import type { LineFormat } from "./job/row.ts";
import type { LineReading } from "./own-batch.ts";
import type { FeedLine } from "./queue/feed.ts";
import type { Router } from "./routing/choose-model.ts";

/** Where intake and routing meet: what a line of the input asks, and of whom. */
export interface LineReader {
  read(line: FeedLine, lineNumber: number): LineReading;
  /** How many tiers rows can possibly go to. */
  readonly possibleTiers: number;
  /** How the first good line was written. */
  format(): LineFormat;
  /** Options that some model left out, and such; each said once. */
  warnings(): readonly string[];
}

export function createLineReader(
  parse: (bytes: Buffer, lineNumber: number) => ParsedRow,
  route: Router,
  config: Config,
  possibleTiers: number,
): LineReader {
  let format: LineFormat | undefined;
  const warnings = new Set<string>();
  const tiersOfRoute = new Map<readonly string[], readonly string[]>();

  function tiersOf(candidates: readonly string[]): readonly string[] {
    // The router returns the same list for the same kind of row.
    let tiers = tiersOfRoute.get(candidates);
    if (tiers === undefined) {
      tiers = candidates.map((alias) => findModel(config, alias)!.tier);
      if (tiersOfRoute.size < 1_000) tiersOfRoute.set(candidates, tiers);
    }
    return tiers;
  }

  return {
    possibleTiers,
    format: () => format ?? "flat",
    warnings: () => [...warnings],
    read(line, lineNumber) {
      const parsed = parse(line.bytes, lineNumber);
      if (!parsed.ok) {
        const { id, message, metadata } = parsed;
        return { ok: false, id, code: "invalid_row", message, ...(metadata === undefined ? {} : { metadata }) };
      }
      format ??= parsed.format;
      const { row } = parsed;
      const plan = route(row);
      const extras = row.metadata === undefined ? {} : { metadata: row.metadata };
      if (!plan.ok) {
        const code = plan.kind === "policy" ? "policy_refused" : "invalid_row";
        return { ok: false, id: row.id, code, message: plan.message, ...extras };
      }
      const payload: RowPayload = {
        id: row.id,
        task: plan.task,
        private: plan.private,
        route: plan.candidates,
        request: row.request,
        ...extras,
      };
      return {
        ok: true,
        row: {
          id: row.id,
          task: plan.task,
          route: plan.candidates,
          tiers: tiersOf(plan.candidates),
          payload: JSON.stringify(payload),
          ...extras,
        },
      };
    },
  };
}
