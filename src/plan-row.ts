import { findModel } from "./config/ad-hoc.ts";
import type { Config } from "./config/config.ts";
import type { RowPayload } from "./job/batch.ts";
import type { ErrorCode } from "./job/result.ts";
import type { PromptRow } from "./job/row.ts";
import type { Router } from "./routing/choose-model.ts";

/** A row that can be asked. */
export interface PreparedRow {
  readonly id: string;
  readonly task: string | null;
  readonly private: boolean;
  /** Model names for `findModel`, best first, and the tier of each. */
  readonly route: readonly string[];
  readonly tiers: readonly string[];
  /** JSON of its RowPayload. */
  readonly payload: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** A row that cannot be asked, and what its failed result says. */
export interface UnusableRow {
  readonly id: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export type PlannedRow =
  | ({ readonly ok: true } & { readonly row: PreparedRow })
  | ({ readonly ok: false } & UnusableRow);

/** Where a valid row and its route become what the queues take. */
export function createRowPlanner(route: Router, config: Config, strict = false): (row: PromptRow) => PlannedRow {
  const tiersOfRoute = new WeakMap<readonly string[], readonly string[]>();

  function tiersOf(candidates: readonly string[]): readonly string[] {
    // The router returns the same list for the same kind of row.
    let tiers = tiersOfRoute.get(candidates);
    if (tiers === undefined) {
      tiers = candidates.map((alias) => findModel(config, alias)!.tier);
      tiersOfRoute.set(candidates, tiers);
    }
    return tiers;
  }

  return (row) => {
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
      ...(strict ? { strict } : {}),
      route: plan.candidates,
      request: row.request,
      ...extras,
    };
    const { task, candidates } = plan;
    return {
      ok: true,
      row: {
        id: row.id,
        task,
        private: plan.private,
        route: candidates,
        tiers: tiersOf(candidates),
        payload: JSON.stringify(payload),
        ...extras,
      },
    };
  };
}
