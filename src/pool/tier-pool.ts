import { performance } from "node:perf_hooks";
import type { Adapter, BackendCall, Endpoint } from "../../workers/adapter.ts";
import type { ModelConfig, TierConfig } from "../config/config.ts";
import type { RowPayload } from "../job/batch.ts";
import type { Outcome } from "../job/outcome.ts";
import { afterOutcome, afterProbe, type Breaker, closedBreaker } from "./breaker.ts";
import type { RowHistory } from "./decide-retry.ts";

/** The endpoints of one tier as this process sees them. */
export interface TierPool {
  readonly tier: TierConfig;
  /** Calls in flight that this process may have when it is the only one. */
  readonly fullConcurrency: number;
  /** Calls that its usable endpoints take now: 0 when all are down. */
  allowance(): number;
  inFlight(): number;
  /** Why a row for this model must wait, and for how long at least; undefined when it can be asked. */
  blockedFor(
    modelId: string,
  ): { readonly reason: string; readonly delayMs: number; readonly sinceMs: number } | undefined;
  /** Since when none of its endpoints takes calls; undefined while one does. */
  downSinceMs(): number | undefined;
  /** Why the tier as a whole waits, for the display. */
  waitReason(): string | undefined;
  call(batchId: string, payload: RowPayload, model: ModelConfig): Promise<CallEnd>;
  /** What is known of a row's errors, after one of its calls has ended so. */
  historyOf(rowKey: string, end: CallEnd, ownErrors: number, hasNextModel: boolean): RowHistory;
  forget(rowKey: string): void;
  /** Aborts calls in flight: those of one batch, or all. */
  abort(batchId?: string): void;
  close(): Promise<void>;
}

export interface CallEnd {
  readonly outcome: Outcome;
  readonly latencyMs: number;
  /** Answers of the endpoint up to now; grows. */
  readonly answeredCount: number;
  readonly answeredCountAtStart: number;
}

interface EndpointState {
  readonly endpoint: Endpoint;
  readonly baseUrl: string;
  breaker: Breaker;
  inFlight: number;
  answered: number;
  models: readonly string[] | undefined;
}

interface Pause {
  readonly reason: string;
  readonly sinceMs: number;
  readonly untilMs: number;
}

export interface TierPoolOptions {
  readonly tier: TierConfig;
  readonly adapter: Adapter;
  readonly apiKey: string | undefined;
  readonly trustedHosts: readonly string[];
  /** Told when `allowance()` or `waitReason()` may have changed. */
  readonly onChange: () => void;
}

const throttlePauseMs = 1_000;
const unavailableModelPauseMs = 15_000;

export function openTierPool({ tier, adapter, apiKey, trustedHosts, onChange }: TierPoolOptions): TierPool {
  const urls = tier.baseUrls.length > 0 ? tier.baseUrls : [""];
  const perEndpoint =
    tier.concurrency === "auto"
      ? Math.min(adapter.defaultConcurrency, tier.maxConcurrency ?? Infinity)
      : tier.concurrency;
  const fullConcurrency = Math.min(perEndpoint * urls.length, tier.maxConcurrency ?? Infinity);
  const endpoints: EndpointState[] = urls.map((baseUrl) => ({
    endpoint: adapter.connect({
      tier: tier.name,
      baseUrl,
      ...(apiKey === undefined ? {} : { apiKey }),
      location: tier.location,
      trustedHosts,
      concurrency: perEndpoint,
    }),
    baseUrl,
    breaker: closedBreaker,
    inFlight: 0,
    answered: 0,
    models: undefined,
  }));
  const pauses = new Map<string, Pause>();
  const erring = new Map<string, { readonly sinceMs: number; readonly answeredCount: number; calls: number }>();
  const aborts = new Map<AbortController, string>();
  const probeTimers = new Set<NodeJS.Timeout>();
  const closing = new AbortController();

  function setBreaker(state: EndpointState, breaker: Breaker): void {
    if (state.breaker === breaker) return;
    const wasOpen = state.breaker.kind === "open" ? state.breaker.probeAtMs : undefined;
    state.breaker = breaker;
    if (breaker.kind === "open" && breaker.probeAtMs !== wasOpen) scheduleProbe(state, breaker.probeAtMs);
    onChange();
  }

  function scheduleProbe(state: EndpointState, atMs: number): void {
    const timer = setTimeout(
      async () => {
        probeTimers.delete(timer);
        const probe = await state.endpoint.probe(AbortSignal.any([closing.signal, AbortSignal.timeout(15_000)]));
        if (closing.signal.aborted) return;
        if (probe.usable) state.models = probe.models;
        const failure = probe.usable ? undefined : probe.outcome.message;
        setBreaker(state, afterProbe(state.breaker, failure, Date.now(), Math.random));
      },
      Math.max(0, atMs - Date.now()),
    );
    probeTimers.add(timer);
  }

  function allowanceOf(state: EndpointState): number {
    if (state.breaker.kind === "open") return 0;
    return state.breaker.kind === "trial" ? 1 : perEndpoint;
  }

  function choose(): EndpointState | undefined {
    let best: EndpointState | undefined;
    let bestRoom = 0;
    for (const state of endpoints) {
      const room = allowanceOf(state) - state.inFlight;
      if (room > bestRoom) {
        best = state;
        bestRoom = room;
      }
    }
    return best;
  }

  async function modelIdAt(state: EndpointState, model: ModelConfig): Promise<string | Outcome> {
    if (model.model !== "auto") return model.model;
    if (state.models === undefined) {
      const probe = await state.endpoint.probe(AbortSignal.any([closing.signal, AbortSignal.timeout(15_000)]));
      if (!probe.usable) return probe.outcome;
      state.models = probe.models;
    }
    const first = state.models[0];
    if (first !== undefined) return first;
    state.models = undefined;
    return {
      kind: "unavailable",
      scope: "tier",
      reason: "model-missing",
      message: `${state.baseUrl} has no model loaded`,
    };
  }

  function pauseAfter(modelId: string, outcome: Outcome): void {
    if (outcome.kind === "throttled") {
      pause(modelId, outcome.message, outcome.retryAfterMs ?? throttlePauseMs);
    } else if (outcome.kind === "unavailable" && outcome.scope === "model") {
      pause(modelId, outcome.message, unavailableModelPauseMs);
    }
  }

  function pause(modelId: string, reason: string, forMs: number): void {
    const before = pauses.get(modelId);
    const nowMs = Date.now();
    const sinceMs = before !== undefined && nowMs < before.untilMs + 2 * forMs ? before.sinceMs : nowMs;
    pauses.set(modelId, { reason, sinceMs, untilMs: nowMs + forMs });
    onChange();
  }

  async function callEndpoint(batchId: string, payload: RowPayload, model: ModelConfig): Promise<CallEnd> {
    const state = choose();
    const startedAtMs = performance.now();
    if (state === undefined) {
      // The endpoint that had room closed between the look and the call; not an error of anything.
      const outcome: Outcome = { kind: "cancelled", message: "no endpoint has room" };
      return { outcome, latencyMs: 0, answeredCount: 0, answeredCountAtStart: 0 };
    }
    state.inFlight++;
    const answeredCountAtStart = state.answered;
    const abort = new AbortController();
    aborts.set(abort, batchId);
    let outcome: Outcome;
    try {
      const modelId = await modelIdAt(state, model);
      outcome =
        typeof modelId === "string"
          ? await state.endpoint.call(backendCall(modelId, payload, model, abort.signal))
          : modelId;
    } finally {
      state.inFlight--;
      aborts.delete(abort);
    }
    if (outcome.kind === "answered") state.answered++;
    if (outcome.kind === "unavailable" && outcome.reason === "model-missing") state.models = undefined;
    if (!abort.signal.aborted) {
      setBreaker(state, afterOutcome(state.breaker, outcome, Date.now(), Math.random));
      pauseAfter(model.model, outcome);
    }
    const latencyMs = Math.round(performance.now() - startedAtMs);
    return { outcome, latencyMs, answeredCount: state.answered, answeredCountAtStart };
  }

  function backendCall(modelId: string, payload: RowPayload, model: ModelConfig, signal: AbortSignal): BackendCall {
    return {
      model: modelId,
      request: payload.request,
      maxOutputTokens: payload.request.maxOutputTokens ?? model.maxOutputTokens,
      ...(model.contextTokens === undefined ? {} : { contextTokens: model.contextTokens }),
      defaults: model.defaults,
      private: payload.private,
      signal,
      timeoutMs: tier.requestTimeoutMs,
    };
  }

  const allowance = () => endpoints.reduce((sum, state) => sum + allowanceOf(state), 0);
  const inFlight = () => endpoints.reduce((sum, state) => sum + state.inFlight, 0);

  function downSince(): { reason: string; sinceMs: number; probeAtMs: number } | undefined {
    const open = endpoints.map((state) => state.breaker).filter((breaker) => breaker.kind === "open");
    if (open.length < endpoints.length) return undefined;
    const next = open.reduce((soonest, one) => (one.probeAtMs < soonest.probeAtMs ? one : soonest));
    return { reason: next.reason, sinceMs: Math.min(...open.map((one) => one.sinceMs)), probeAtMs: next.probeAtMs };
  }

  return {
    tier,
    fullConcurrency,
    allowance,
    inFlight,
    blockedFor(modelId) {
      const nowMs = Date.now();
      const down = downSince();
      if (down !== undefined) {
        return {
          reason: down.reason,
          sinceMs: down.sinceMs,
          delayMs: Math.max(100, down.probeAtMs - nowMs) + Math.random() * 500,
        };
      }
      const pauseOfModel = pauses.get(modelId);
      if (pauseOfModel === undefined || pauseOfModel.untilMs <= nowMs) return undefined;
      return {
        reason: pauseOfModel.reason,
        sinceMs: pauseOfModel.sinceMs,
        delayMs: pauseOfModel.untilMs - nowMs + Math.random() * 250,
      };
    },
    downSinceMs: () => downSince()?.sinceMs,
    waitReason() {
      const down = downSince();
      if (down !== undefined) return down.reason;
      const nowMs = Date.now();
      for (const one of pauses.values()) if (one.untilMs > nowMs) return one.reason;
      const troubled = endpoints.find((state) => state.breaker.kind !== "closed");
      return troubled === undefined
        ? undefined
        : `${troubled.baseUrl}: ${(troubled.breaker as { reason: string }).reason}`;
    },
    call: callEndpoint,
    historyOf(rowKey, end, ownErrors, hasNextModel) {
      const nowMs = Date.now();
      const known = erring.get(rowKey) ?? { sinceMs: nowMs, answeredCount: end.answeredCountAtStart, calls: 0 };
      known.calls++;
      erring.set(rowKey, known);
      return {
        ownErrors,
        othersAnswered: end.answeredCount > known.answeredCount,
        erringForMs: nowMs - known.sinceMs,
        erringCalls: known.calls,
        hasNextModel,
      };
    },
    forget(rowKey) {
      erring.delete(rowKey);
    },
    abort(batchId) {
      for (const [controller, ofBatch] of aborts) if (batchId === undefined || ofBatch === batchId) controller.abort();
    },
    async close() {
      closing.abort();
      for (const timer of probeTimers) clearTimeout(timer);
      await Promise.all(endpoints.map((state) => state.endpoint.close()));
    },
  };
}
