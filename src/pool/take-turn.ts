import type { Redis } from "ioredis";
import { processTimeoutMs } from "../job/heartbeat.ts";
import type { FleetNames } from "../queue/names.ts";
import { redisScript } from "../queue/redis-script.ts";
import { type Charge, readCharge, type Terms } from "./gate.ts";

/** A call that no batch holds asks for its turn. */
export interface TurnQuestion {
  readonly terms: Terms;
  readonly callNumber: number;
  /** JSON of its RowPayload; only its weight is told. */
  readonly payload: string;
  /** Of an online call: how long it may wait. Such a call stands in no line. */
  readonly onlineMs?: number;
}

export type Turn =
  | { readonly kind: "turn"; readonly charge: Charge }
  | { readonly kind: "paced"; readonly delayMs: number; readonly isPause: boolean; readonly reason: string };

export type TakeTurn = (question: TurnQuestion) => Promise<Turn>;

/** The gate's terms (pace, slots, budget of the day) for calls that pass no gate, as there is no batch to ask about. */
export function createTurns(redis: Redis, names: FleetNames, processId: string): TakeTurn {
  const script = redisScript(redis, new URL("./turn.lua", import.meta.url), 5, [
    new URL("./pace.lua", import.meta.url),
    new URL("./leases.lua", import.meta.url),
    new URL("./budget.lua", import.meta.url),
  ]);
  return async ({ terms, callNumber, payload, onlineMs }) => {
    const { pace, lease, budget, stood, expectedOutputTokens } = terms;
    const reply = (await script(
      [...names.ofTurns(terms), names.processes],
      [
        ...[processId, processTimeoutMs, callNumber],
        ...[...pace, lease?.most ?? 0, Math.max(0, (lease?.held ?? 0) - 1), ...budget],
        ...[weightIn(payload), stood ? "1" : "0", expectedOutputTokens, onlineMs ?? ""],
      ],
    )) as (string | number)[];
    const [word, delay, ...rest] = reply;
    if (word === "turn") return { kind: "turn", charge: readCharge(terms, [delay!, ...rest]) };
    return { kind: "paced", delayMs: Number(delay), isPause: Number(rest[0]) === 1, reason: String(rest[1]) };
  };
}

/** The scripts read no further, and a prompt has no business in Redis where none is queued. */
function weightIn(payload: string): string {
  return /^\{"weight":\[[\d,]+\]/.exec(payload)?.[0] ?? "";
}
