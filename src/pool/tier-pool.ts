import { performance } from "node:perf_hooks";
import type { TierConfig } from "../config/config.ts";
import { withMend } from "../config/mend.ts";
import { costUsdOf } from "../config/price.ts";
import type { EndedCall } from "../job/ended-call.ts";
import type { Outcome } from "../job/outcome.ts";
import { createBatchSignals } from "./batch-signals.ts";
import type { RowHistory } from "./decide-retry.ts";
import { createDeparture, type DepartureOptions, type NotOnRecord } from "./departure.ts";
import { type EndpointsOptions, openEndpoints } from "./endpoints.ts";
import { type CallEnd, createErringRows } from "./erring-rows.ts";
import { createModelPauses } from "./model-pauses.ts";
import { ownWait } from "./own-wait.ts";
import type { Pace } from "./pace.ts";
import { createModelPulls } from "./pull-models.ts";
import type { AskedRow } from "./result-of-call.ts";
import type { PoolSizes } from "./sized-endpoints.ts";
import type { WaitKind } from "./wait-kind.ts";

/** The endpoints of one tier as this process sees them. */
export interface TierPool {
  readonly tier: TierConfig;
  readonly pace: Pace;
  /** How many calls it takes when nothing is wrong with its endpoints. */
  readonly sizes: PoolSizes;
  /** Calls that its usable endpoints take now: 0 when all are down. */
  allowance(): number;
  inFlight(): number;
  /** How calls have ended so far that this process did not take back itself. */
  callsEnded(): { readonly answered: number; readonly erred: number };
  endpointsUp(): { readonly endpoints: number; readonly endpointsDown: number };
  /** Calls that may be in flight here: this process' share. More rows than that may wait in `call` for their place. */
  setLimit(calls: number): void;
  /** Sends rows back that wait in `call` for their place. */
  turnAway(): void;
  /** Why a row for this model must wait, and for how long at least; undefined when it can be asked. */
  blockedFor(modelId: string): Blocked | undefined;
  /** Whether it is worth moving a row for this model here. */
  canTake(modelId: string): Promise<boolean>;
  /** When rows of a tier that is down may move to their next model, by `performance.now`; undefined while it takes calls. */
  fallbackAtMs(): number | undefined;
  /** Lets rows for this model wait here, as somebody of the fleet was told to. */
  pause(modelId: string, reason: string, forMs: number): void;
  /** Somebody has paused the tier's queue (Bull Board), or no longer; told at each heartbeat. */
  noteQueuePaused(isPaused: boolean): void;
  /** Somebody has paused its queue: then nothing is asked here by any other way, too. */
  isQueuePaused(): boolean;
  /** Why the tier as a whole waits, for the display. */
  waitReason(): string | undefined;
  waitKind(): WaitKind | undefined;
  call(batchId: string, row: AskedRow, online?: OnlineCall): Promise<CallEnd>;
  /** What is known of a row's errors, after one of its calls has ended so. */
  historyOf(rowKey: string, end: CallEnd, ownErrors: number, hasNextModel: boolean): RowHistory;
  forget(rowKey: string): void;
  /** Aborts calls in flight: those of one batch, or all. */
  abort(batchId?: string): void;
  close(): Promise<void>;
}

/** What a call has beyond a row's that somebody waits for: it goes before all rows, and ends when its caller leaves. */
export interface OnlineCall {
  readonly signal: AbortSignal;
  /** Told of the answer's text as it comes, where the backend can do that. */
  readonly onText?: ((delta: string) => void) | undefined;
}

export interface Blocked {
  readonly reason: string;
  readonly delayMs: number;
  /** From when on a row may move to its next model instead, by `performance.now`. */
  readonly fallbackAtMs: number;
}

export interface TierPoolOptions extends EndpointsOptions, DepartureOptions {
  readonly pace: Pace;
  /** A task has another model after one of this tier's: for the display. Default false. */
  readonly hasFallback?: boolean;
  /** Models that are missing are fetched by servers that can. Default false. */
  readonly pullModels?: boolean;
  /** Told of each call that was made. */
  readonly onCallEnded?: (call: EndedCall) => void;
}

/** No call was made, through nobody's fault: the row comes again. */
const notAsked: CallEnd = {
  outcome: { kind: "cancelled", message: "no endpoint takes calls" },
  latencyMs: 0,
  answeredCount: 0,
  answeredCountAtStart: 0,
};
/** A row waits this long before its call is tried to be put on record again. */
const auditRetryMs = 1_000;

export function openTierPool(options: TierPoolOptions): TierPool {
  const { tier, pace, onChange, hasFallback = false } = options;
  const endpoints = openEndpoints(options);
  const depart = createDeparture(options);
  const pulls = createModelPulls(options.pullModels === true);
  const pauses = createModelPauses(tier, onChange);
  const erring = createErringRows();
  const signals = createBatchSignals();
  const onlineCalls = new Set<Promise<CallEnd>>();
  let queueIsPaused = false;
  let [answered, erred] = [0, 0];

  function turnAway(): void {
    endpoints.turnAway();
    pace.turnAway();
  }

  async function callEndpoint(batchId: string, row: AskedRow, online?: OnlineCall): Promise<CallEnd> {
    const { model } = row;
    const isOnline = online !== undefined;
    // A signal that lives on would gather what was made of it.
    const aborted = isOnline ? `${batchId} ${row.row}` : batchId;
    const ofBatch = signals.enter(aborted);
    const state = await endpoints.acquire(row.payload.request, online?.signal);
    // While this row waited for its place its model was paused, or its batch cancelled.
    const isTooLate = ofBatch.aborted || pauses.of(model.model) !== undefined;
    if (state === undefined || isTooLate) {
      signals.leave(aborted, ofBatch);
      if (state !== undefined) endpoints.release(state, 0, undefined, isOnline);
      return notAsked;
    }
    const startedAtMs = performance.now();
    const answeredCountAtStart = state.answered;
    const signal = isOnline ? AbortSignal.any([ofBatch, online.signal]) : ofBatch;
    let outcome: Outcome | NotOnRecord | undefined;
    let latencyMs = 0;
    try {
      const modelId = pulls.waitingFor(state.endpoint, model.model) ?? (await endpoints.modelIdAt(state, model));
      outcome =
        typeof modelId === "string"
          ? await depart(state, { modelId, batchId, row, signal, onText: online?.onText })
          : modelId;
    } finally {
      latencyMs = performance.now() - startedAtMs;
      endpoints.release(state, latencyMs, outcome?.kind, isOnline);
      signals.leave(aborted, ofBatch);
    }
    if (outcome.kind === "not-on-record") {
      pauses.pause(model.model, outcome.message, auditRetryMs, false);
      return notAsked;
    }
    outcome = withMend(pulls.after(outcome, state.endpoint, model.model), tier, model.model);
    options.onCallEnded?.(endedCall(row, outcome, latencyMs));
    if (!signal.aborted) {
      if (outcome.kind === "answered") answered++;
      else erred++;
      endpoints.noteOutcome(state, outcome);
      pauses.after(model.model, outcome);
      pace.noteOutcome(model, outcome);
    }
    return { outcome, latencyMs: Math.round(latencyMs), answeredCount: state.answered, answeredCountAtStart };
  }

  function blockedFor(modelId: string): Blocked | undefined {
    const nowMs = performance.now();
    const down = endpoints.downSince();
    if (down !== undefined) {
      return {
        reason: down.reason,
        fallbackAtMs: down.sinceMs + down.patienceMs,
        delayMs: Math.max(100, down.probeAtMs - nowMs) + Math.random() * 500,
      };
    }
    const pauseOfModel = pauses.of(modelId);
    if (pauseOfModel === undefined) return undefined;
    return {
      reason: pauseOfModel.reason,
      fallbackAtMs: pauseOfModel.sinceMs + pauseOfModel.patienceMs,
      delayMs: pauseOfModel.untilMs - nowMs + Math.random() * 250,
    };
  }

  const wait = () => ownWait({ endpoints, pauses, erring, isQueuePaused: queueIsPaused, hasFallback });

  return {
    tier,
    pace,
    sizes: endpoints.sizes,
    allowance: endpoints.allowance,
    inFlight: endpoints.inFlight,
    callsEnded: () => ({ answered, erred }),
    endpointsUp: () => ({
      endpoints: endpoints.all.length,
      endpointsDown: endpoints.all.filter(({ breaker }) => breaker.kind !== "closed").length,
    }),
    setLimit: endpoints.setLimit,
    turnAway,
    blockedFor,
    canTake: async (modelId) => (await endpoints.isThere()) && blockedFor(modelId) === undefined,
    fallbackAtMs() {
      const down = endpoints.downSince();
      return down && down.sinceMs + down.patienceMs;
    },
    pause: (modelId, reason, forMs) => pauses.pause(modelId, reason, forMs, false),
    isQueuePaused: () => queueIsPaused,
    noteQueuePaused(isPaused) {
      queueIsPaused = isPaused;
    },
    waitReason: () => wait()?.reason ?? pace.waitReason(),
    waitKind: () => wait()?.kind ?? pace.waitKind(),
    call(batchId, row, online) {
      const call = callEndpoint(batchId, row, online);
      if (online !== undefined) {
        onlineCalls.add(call);
        void call.finally(() => onlineCalls.delete(call)).catch(() => {});
      }
      return call;
    },
    historyOf: erring.historyOf,
    forget: erring.forget,
    abort(batchId) {
      if (batchId === undefined) turnAway();
      signals.abort(batchId);
    },
    async close() {
      pulls.close();
      // No job of a queue waits for these.
      await Promise.allSettled(onlineCalls);
      await endpoints.close();
    },
  };
}

function endedCall({ model, payload }: AskedRow, outcome: Outcome, latencyMs: number): EndedCall {
  const { tier, alias, price } = model;
  const answer = outcome.kind === "answered" ? outcome.answer : undefined;
  const costUsd = answer === undefined ? 0 : (answer.costUsd ?? costUsdOf(answer.usage, price));
  const startedAtMs = Date.now() - latencyMs;
  return { tier, model: alias, task: payload.task, outcome, costUsd, startedAtMs, latencyMs };
}
