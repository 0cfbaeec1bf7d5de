import type { Redis } from "ioredis";
import type { JobLabels } from "../job/batch.ts";
import { processTimeoutMs } from "../job/heartbeat.ts";
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
  readonly terms: Terms;
  readonly delayMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Milliseconds of quota that a request and a token cost; 0 without such a limit. */
  readonly msEach: Readonly<Record<"requests" | "tokens" | "input" | "output", number>>;
}

/** What the gate must know of a row that is not free to go at once: of limits, of slots, of money. */
export interface Terms {
  readonly tier: string;
  readonly alias: string;
  /** What shares its limits; "" when it has none. */
  readonly scope: string;
  /** See openPace in pace.lua. */
  readonly pace: readonly (string | number)[];
  readonly lease: Lease | undefined;
  /** See openBudget in budget.lua. */
  readonly budget: readonly (string | number)[];
  /** It has stood in line. */
  readonly stood: boolean;
  readonly expectedOutputTokens: number;
}

/** Calls of a tier that may be in flight over all processes, and those that this one holds or asks for. */
export interface Lease {
  readonly most: number;
  held: number;
}

export interface GateQuestion {
  readonly row: number;
  readonly generation: number;
  readonly hop: number;
  /** Number of this call; with the process id it names the reservation. */
  readonly callNumber: number;
  readonly terms?: Terms | undefined;
}

export type Gate = (job: JobLabels, callNumber: number, terms?: Terms) => Promise<Verdict>;

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
  const scriptWithTerms = redisScript(redis, gateScript, 10, [
    new URL("./pace.lua", import.meta.url),
    new URL("./leases.lua", import.meta.url),
    new URL("./budget.lua", import.meta.url),
  ]);

  const ask = coalesce<GateQuestion, Verdict>(async (group, questions) => {
    const batchId = group.split(" ", 1)[0]!;
    const keys = names.batch(batchId);
    const keyList = [keys.batch, keys.done, keys.payloads, keys.moves, keys.calls, names.processes];
    const args: (string | number)[] = [processId, incarnation(), processTimeoutMs];
    const terms = questions[0]!.terms;
    if (terms !== undefined) {
      const { pace, lease, budget } = terms;
      args.push(...pace, lease?.most ?? 0, Math.max(0, (lease?.held ?? 0) - questions.length), ...budget);
    }
    for (const question of questions) {
      args.push(question.row, `${question.generation}:${question.hop}`, question.callNumber);
      if (question.terms !== undefined)
        args.push(question.terms.stood ? "1" : "0", question.terms.expectedOutputTokens);
    }
    const verdicts =
      terms === undefined
        ? await script(keyList, args)
        : await scriptWithTerms([...keyList, ...names.ofTerms(batchId, terms)], args);
    return (verdicts as VerdictReply[]).map((reply) => readVerdict(reply, terms));
  }, onTrouble);
  return (job, callNumber, terms) =>
    // Rows of one call of the script share batch and terms.
    ask(terms === undefined ? job.batch : `${job.batch} ${terms.alias}`, {
      row: job.row,
      generation: job.generation,
      hop: job.hop,
      callNumber,
      terms,
    });
}

type VerdictReply = readonly [string, ...(string | number)[]];

function readVerdict([word, ...rest]: VerdictReply, terms: Terms | undefined): Verdict {
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
      return terms === undefined ? call : { ...call, charge: readCharge(terms, charged) };
    }
    default:
      throw new Error(`the gate said ${word}, which this version does not know`);
  }
}

/** What was charged, as the scripts say it. */
export function readCharge(
  terms: Terms,
  [delayMs, inputTokens, outputTokens, msEach]: readonly (string | number)[],
): Charge {
  const [requests, tokens, input, output] = String(msEach).split(" ").map(Number) as [number, number, number, number];
  return {
    terms,
    delayMs: Number(delayMs),
    inputTokens: Number(inputTokens),
    outputTokens: Number(outputTokens),
    msEach: { requests, tokens, input, output },
  };
}
