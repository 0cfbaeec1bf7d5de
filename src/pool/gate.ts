import type { Redis } from "ioredis";
import type { JobLabels } from "../job/batch.ts";
import { coalesce } from "../queue/coalesce.ts";
import type { FleetNames } from "../queue/names.ts";
import { redisScript } from "../queue/redis-script.ts";

/** What the gate says of a row; PROTOCOL's answers as values. */
export type Verdict =
  /** Nothing is to be done for this job: the batch has ended, the row has its result, or its owner sees to it. */
  | { readonly kind: "finished"; readonly why: "drop" | "done" | "missing" | "ended" }
  | { readonly kind: "wait"; readonly why: "held" | "rebuilding"; readonly delayMs: number }
  /** The row is at a later hop: that hop's job must exist. */
  | { readonly kind: "moved"; readonly hop: number; readonly position: number; readonly payload: string }
  | {
      readonly kind: "admitted";
      readonly attempts: number;
      readonly position: number;
      /** Processes that died while the row was in a call of theirs. */
      readonly crashes: number;
      readonly payload: string;
    };

export interface GateQuestion {
  readonly row: number;
  readonly generation: number;
  readonly hop: number;
  /** Number of this call; with the process id it names the reservation. */
  readonly callNumber: number;
}

export type Gate = (job: JobLabels, callNumber: number) => Promise<Verdict>;

/** A silent process counts as dead after this long; its heartbeat comes every quarter of it. */
export const processTimeoutMs = 8_000;

/**
 * @param incarnation what this process believes Redis to be; the gate passes nothing of a batch whose owner has not
 *   rebuilt it for that very server.
 */
export function createGate(
  redis: Redis,
  names: FleetNames,
  processId: string,
  incarnation: () => string,
  onTrouble: (reason: string | undefined) => void,
): Gate {
  const script = redisScript(redis, new URL("./gate.lua", import.meta.url), 6);
  const ask = coalesce<GateQuestion, Verdict>(async (batchId, questions) => {
    const keys = names.batch(batchId);
    const args: (string | number)[] = [processId, incarnation(), processTimeoutMs];
    for (const question of questions)
      args.push(question.row, `${question.generation}:${question.hop}`, question.callNumber);
    const verdicts = await script(
      [keys.batch, keys.done, keys.payloads, keys.moves, keys.calls, names.processes],
      args,
    );
    return (verdicts as [string, ...(string | number)[]][]).map(readVerdict);
  }, onTrouble);
  return (job, callNumber) => ask(job.batch, { row: job.row, generation: job.generation, hop: job.hop, callNumber });
}

function readVerdict([word, ...rest]: readonly [string, ...(string | number)[]]): Verdict {
  switch (word) {
    case "drop":
    case "done":
    case "missing":
    case "ended":
      return { kind: "finished", why: word };
    case "held":
    case "rebuilding":
      return { kind: "wait", why: word, delayMs: Number(rest[0]) };
    case "moved":
      return { kind: "moved", hop: Number(rest[0]), position: Number(rest[2]), payload: String(rest[3]) };
    case "admitted":
      return {
        kind: "admitted",
        attempts: Number(rest[0]),
        position: Number(rest[1]),
        crashes: Number(rest[2]),
        payload: String(rest[3]),
      };
    default:
      throw new Error(`the gate said ${word}, which this version does not know`);
  }
}
