import type { Settlement } from "../job/batch.ts";
import type { PaidEnd } from "./cost-of-call.ts";
import type { Charge } from "./gate.ts";
import { horizonMs } from "./pace.ts";
import type { AskedRow } from "./result-of-call.ts";
import type { TakeTurn, Turn, TurnQuestion } from "./take-turn.ts";
import type { TierPool } from "./tier-pool.ts";

/** A row that no batch holds, on its way to a call. */
export interface ForeignRow {
  readonly asked: AskedRow;
  /** JSON of its RowPayload. */
  readonly payload: string;
  /** Its job has stepped aside before. */
  readonly cameBack: boolean;
}

/** A call that may start. To be ended in any case, or its slot and its money stay taken. */
export interface ForeignTurn {
  /** @param end undefined when no call was made. */
  end(end: PaidEnd | undefined): void;
}

/**
 * Waits until limits, slots and the budget of the day let a row start; else resolves with how long its job is to step
 * aside.
 */
export type WaitForTurn = (pool: TierPool, row: ForeignRow) => Promise<ForeignTurn | { readonly laterMs: number }>;

export interface ForeignTurnsContext {
  readonly processId: string;
  readonly takeTurn: TakeTurn;
  readonly nextCallNumber: () => number;
  readonly settle: (call: string, settlement: Settlement) => void;
}

const withoutTerms: ForeignTurn = { end: () => {} };

/** The gate's terms for jobs of plain BullMQ producers, which pass no gate. */
export function createForeignTurns(context: ForeignTurnsContext): WaitForTurn {
  const { processId, takeTurn, nextCallNumber, settle } = context;

  /** The slot counts as taken while it is asked for. */
  async function ask(question: TurnQuestion): Promise<Turn> {
    const { lease } = question.terms;
    if (lease !== undefined) lease.held++;
    let turn: Turn | undefined;
    try {
      turn = await takeTurn(question);
      return turn;
    } finally {
      if (lease !== undefined && turn?.kind !== "turn") lease.held--;
    }
  }

  return async ({ pace, pause }, { asked, payload, cameBack }) => {
    const { model } = asked;
    for (let stood = cameBack; ; stood = true) {
      const terms = pace.termsOf(model, asked.payload.task, stood, false);
      if (terms === undefined) return withoutTerms;
      const callNumber = nextCallNumber();
      const turn = await ask({ terms, callNumber, payload });
      if (turn.kind === "turn") {
        const charged = turnOf(turn.charge, callNumber);
        if (await pace.wait(turn.charge.delayMs)) return charged;
        charged.end(undefined);
        return { laterMs: 0 };
      }
      const { delayMs, isPause, reason } = turn;
      pace.noteWait(terms.scope, reason, delayMs);
      if (isPause && delayMs > horizonMs) pause(model.model, reason, delayMs);
      if (delayMs > horizonMs || !(await pace.wait(delayMs))) return { laterMs: delayMs };
    }

    function turnOf(charge: Charge, callNumber: number): ForeignTurn {
      return { end: (end) => settle(`${processId} ${callNumber}`, pace.settle(charge, asked, end)) };
    }
  };
}
