import type { ModelConfig } from "../config/config.ts";
import { horizonMs } from "./pace.ts";
import type { TakeTurn } from "./take-turn.ts";
import type { TierPool } from "./tier-pool.ts";

/** A row that no batch holds, on its way to a call. */
export interface ForeignRow {
  readonly model: ModelConfig;
  readonly task: string | null;
  /** JSON of its RowPayload. */
  readonly payload: string;
  /** Its job has stepped aside before. */
  readonly cameBack: boolean;
}

/** Sleeps until the limits of its model let a row start; resolves to how long its job is to step aside instead, if so. */
export type WaitForTurn = (pool: TierPool, row: ForeignRow) => Promise<number | undefined>;

/** Jobs of plain BullMQ producers are paced; slots and budgets are not yet counted for them. */
const noBudget = ["0", "", "", "", 0];

/** The pace for jobs of plain BullMQ producers, which pass no gate. */
export function createForeignTurns(takeTurn: TakeTurn): WaitForTurn {
  return async ({ pace, pause }, { model, task, payload, cameBack }) => {
    for (let stood = cameBack; ; stood = true) {
      const terms = pace.termsOf(model, task, stood, false);
      if (terms === undefined || terms.scope === "") return undefined;
      const turn = await takeTurn({
        terms: { ...terms, lease: undefined, budget: noBudget },
        callNumber: 0,
        payload,
      });
      if (turn.kind === "turn") return (await pace.wait(turn.charge.delayMs)) ? undefined : 0;
      const { delayMs, isPause, reason } = turn;
      pace.noteWait(terms.scope, reason, delayMs);
      if (isPause && delayMs > horizonMs) pause(model.model, reason, delayMs);
      if (delayMs > horizonMs || !(await pace.wait(delayMs))) return delayMs;
    }
  };
}
