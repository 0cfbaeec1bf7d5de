import type { Redis } from "ioredis";
import type { ModelConfig } from "../config/config.ts";
import type { FleetNames } from "../queue/names.ts";
import { redisScript } from "../queue/redis-script.ts";
import { horizonMs } from "./pace.ts";
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

/** The pace for jobs of plain BullMQ producers, which pass no gate. */
export function createForeignTurns(redis: Redis, names: FleetNames): WaitForTurn {
  const script = redisScript(redis, new URL("./turn.lua", import.meta.url), 1, [
    new URL("./pace.lua", import.meta.url),
  ]);
  return async ({ pace, pause }, { model, task, payload, cameBack }) => {
    for (let stood = cameBack; ; stood = true) {
      const terms = pace.termsOf(model, task, stood, false);
      if (terms === undefined || terms.scope === "") return undefined;
      const args = [...terms.pace, payload, stood ? "1" : "0", terms.expectedOutputTokens];
      const [kind, delay, isPause, reason] = (await script([names.pace(terms.scope)], args)) as (string | number)[];
      const delayMs = Number(delay);
      if (kind === "turn") return (await pace.wait(delayMs)) ? undefined : 0;
      pace.noteWait(terms.scope, String(reason), delayMs);
      if (Number(isPause) === 1 && delayMs > horizonMs) pause(model.model, String(reason), delayMs);
      if (delayMs > horizonMs || !(await pace.wait(delayMs))) return delayMs;
    }
  };
}
