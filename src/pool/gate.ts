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
  /** Its limits or a pause let it wait. */
  | { readonly kind: "paced"; readonly delayMs: number; readonly isPause: boolean; readonly reason: string }
  | {
      readonly kind: "admitted";
      readonly attempts: number;
      readonly position: number;
      /** Processes that died while the row was in a call of theirs. */
      readonly crashes: number;
      readonly payload: string;
      /** Of rows with limits: when it may start, and what was charged. */
      readonly charge?: Charge;
    };

/** What was charged to the limits of a scope for one call. */
export interface Charge {
  readonly scope: string;
  readonly delayMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Milliseconds of quota that a token costs; 0 without such a limit. */
  readonly msPerToken: { readonly tokens: number; readonly input: number; readonly output: number };
}

/** What the gate must know of a row with limits. */
export interface PaceQuestion {
  readonly scope: string;
  /** The same for all rows of one model: see openPace in pace.lua. */
  readonly terms: readonly (string | number)[];
  readonly alias: string;
  /** It has stood in line. */
  readonly stood: boolean;
  readonly expectedOutputTokens: number;
}

export interface GateQuestion {
  readonly row: number;
  readonly generation: number;
  readonly hop: number;
  /** Number of this call; with the process id it names the reservation. */
  readonly callNumber: number;
  readonly pace?: PaceQuestion | undefined;
}

export type Gate = (job: JobLabels, callNumber: number, pace?: PaceQuestion) => Promise<Verdict>;

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
  const gateScript = new URL("./gate.lua", import.meta.url);
  const script = redisScript(redis, gateScript, 6);
  const pacedScript = redisScript(redis, gateScript, 7, new URL("./pace.lua", import.meta.url));

  const ask = coalesce<GateQuestion, Verdict>(async (group, questions) => {
    const keys = names.batch(group.split(" ", 1)[0]!);
    const keyList = [keys.batch, keys.done, keys.payloads, keys.moves, keys.calls, names.processes];
    const args: (string | number)[] = [processId, incarnation(), processTimeoutMs];
    const pace = questions[0]!.pace;
    if (pace !== undefined) args.push(...pace.terms);
    for (const question of questions) {
      args.push(question.row, `${question.generation}:${question.hop}`, question.callNumber);
      if (question.pace !== undefined) args.push(question.pace.stood ? "1" : "0", question.pace.expectedOutputTokens);
    }
    const verdicts =
      pace === undefined ? await script(keyList, args) : await pacedScript([...keyList, names.pace(pace.scope)], args);
    return (verdicts as VerdictReply[]).map((reply) => readVerdict(reply, pace?.scope));
  }, onTrouble);
  return (job, callNumber, pace) =>
    // Rows of one call of the script share batch, limits and estimates.
    ask(pace === undefined ? job.batch : `${job.batch} ${pace.alias}`, {
      row: job.row,
      generation: job.generation,
      hop: job.hop,
      callNumber,
      pace,
    });
}

type VerdictReply = readonly [string, ...(string | number)[]];

function readVerdict([word, ...rest]: VerdictReply, scope: string | undefined): Verdict {
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
    case "paced":
      return { kind: "paced", delayMs: Number(rest[0]), isPause: Number(rest[1]) === 1, reason: String(rest[2]) };
    case "admitted": {
      const [attempts, position, crashes, payload, ...charged] = rest;
      const admitted = { attempts: Number(attempts), position: Number(position), crashes: Number(crashes) };
      const call = { kind: "admitted", ...admitted, payload: String(payload) } as const;
      return scope === undefined ? call : { ...call, charge: readCharge(scope, charged) };
    }
    default:
      throw new Error(`the gate said ${word}, which this version does not know`);
  }
}

function readCharge(scope: string, [delayMs, input, output, msPerToken]: readonly (string | number)[]): Charge {
  const [tokensMs, inputMs, outputMs] = String(msPerToken).split(" ").map(Number) as [number, number, number];
  return {
    scope,
    delayMs: Number(delayMs),
    inputTokens: Number(input),
    outputTokens: Number(output),
    msPerToken: { tokens: tokensMs, input: inputMs, output: outputMs },
  };
}
