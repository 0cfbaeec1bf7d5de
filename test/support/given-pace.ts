import type { Settlement } from "../../src/job/batch.ts";
import type { Terms, Verdict } from "../../src/pool/gate.ts";
import { horizonMs } from "../../src/pool/pace.ts";
import { createPlaceRows } from "../../src/queue/place-rows.ts";
import { type GivenBatch, rowToPlace } from "./given-batch.ts";

interface Limits {
  readonly rpm?: number;
  readonly tpm?: number;
  readonly inputTpm?: number;
  readonly outputTpm?: number;
}

/** What a pool asks for rows of the scope `lab`. */
export function question(limits: Limits | "auto", change: Partial<Terms> & { rule?: "most" | "real" } = {}) {
  const { rule = "most", ...rest } = change;
  const { rpm = 0, tpm = 0, inputTpm = 0, outputTpm = 0 } = limits === "auto" ? {} : limits;
  const four = limits === "auto" ? Array(4).fill("auto") : [rpm, tpm, inputTpm, outputTpm];
  return {
    tier: "lab",
    scope: "lab",
    alias: "small",
    lease: undefined,
    budget: ["0", "", 0, 0, 100],
    pace: [...four, rule, 100, 1, horizonMs],
    stood: false,
    expectedOutputTokens: 10,
    ...rest,
  } satisfies Terms;
}

/** Feeds rows that are estimated at so many tokens of input and allow so many of output. */
export async function feedWeighed(
  batch: GivenBatch,
  weights: readonly (readonly [number, number])[],
  mostInput = 0,
): Promise<void> {
  const place = createPlaceRows(
    batch.redis,
    batch.names,
    batch.queues,
    () => undefined,
    () => {},
  );
  const rows = weights.map(([input, output], row) => ({
    ...rowToPlace(row),
    payload: JSON.stringify({ weight: [input, output, mostInput, 1], id: `r${row}` }),
  }));
  await place({ batchId: "b1", generation: 0, epoch: batch.epoch }, rows, () => 1);
}

/** So that a bucket is full: nothing of it was used for long. */
export async function fillBuckets({ redis, names }: GivenBatch, scope = "lab"): Promise<void> {
  await redis.hset(names.pace(scope), { requests: 1, tokens: 1, input: 1, output: 1 });
}

export function chargeOf(verdict: Verdict) {
  if (verdict.kind !== "admitted" || verdict.charge === undefined) throw new Error(`not admitted: ${verdict.kind}`);
  return verdict.charge;
}

/** How a call of the scope `lab` is settled. */
export function settlementOf(ms: Settlement["ms"], change: Partial<Settlement> = {}): Settlement {
  return { scope: "lab", tier: "lab", ms, costUsd: 0, held: undefined, ...change };
}
