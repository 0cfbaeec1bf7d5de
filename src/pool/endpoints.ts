import type { Endpoint } from "../../workers/adapter.ts";
import type { ModelConfig } from "../config/config.ts";
import { withMend } from "../config/mend.ts";
import type { Outcome } from "../job/outcome.ts";
import { afterOutcome, afterProbe, type Breaker, closedBreaker, probeNow } from "./breaker.ts";
import { type ConnectionOptions, connectEndpoints } from "./connect-endpoints.ts";
import { patienceMs } from "./decide-retry.ts";

/** One endpoint of a tier as this process sees it. */
export interface EndpointState {
  readonly endpoint: Endpoint;
  readonly baseUrl: string;
  breaker: Breaker;
  inFlight: number;
  /** Rows it has answered; grows. */
  answered: number;
  /** What its last good probe said it has. */
  models: readonly string[] | undefined;
}

/** The endpoints of a tier, each with a breaker of its own. */
export interface Endpoints {
  /** Calls that one endpoint takes when nothing is wrong with it. */
  readonly perEndpoint: number;
  readonly all: readonly EndpointState[];
  inFlight(): number;
  /** Calls that may be in flight at all endpoints together. */
  setLimit(calls: number): void;
  /**
   * A place for one call, at the endpoint with the most room; waits for one, first come, first served. Undefined when
   * there is none to be had: all endpoints are down, or `turnAway` was called.
   */
  acquire(): Promise<EndpointState | undefined>;
  release(state: EndpointState): void;
  /** For good: sends away all who wait for a place, and all who come after, such as a row that was at the gate. */
  turnAway(): void;
  /** The provider's id of a model there ("auto" is its first one), or why there is none. */
  modelIdAt(state: EndpointState, model: ModelConfig): Promise<string | Outcome>;
  noteOutcome(state: EndpointState, outcome: Outcome): void;
  /** Whether one of them can be asked: what no call has told yet is found out by a probe. */
  isThere(): Promise<boolean>;
  /** Calls that the usable endpoints take now: 0 when all are down. */
  allowance(): number;
  /** When none takes calls. */
  downSince(): Down | undefined;
  close(): Promise<void>;
}

export interface Down {
  readonly reason: string;
  readonly sinceMs: number;
  readonly probeAtMs: number;
  /** Rows that have another model wait this long for this one. */
  readonly patienceMs: number;
}

export interface EndpointsOptions extends ConnectionOptions {
  /** Told when an endpoint's breaker has moved. */
  readonly onChange: () => void;
}

const probeTimeoutMs = 15_000;

export function openEndpoints(options: EndpointsOptions): Endpoints {
  const { tier, adapter, onChange } = options;
  const perEndpoint =
    tier.concurrency === "auto"
      ? Math.min(adapter.defaultConcurrency, tier.maxConcurrency ?? Infinity)
      : tier.concurrency;
  const connected = connectEndpoints(options, perEndpoint, () => {
    if (closing.signal.aborted) return;
    for (const state of endpoints) setBreaker(state, probeNow(state.breaker, Date.now()));
  });
  const endpoints: EndpointState[] = connected.urls.map((baseUrl, at) => ({
    endpoint: connected.endpoints[at]!,
    baseUrl,
    breaker: closedBreaker,
    inFlight: 0,
    answered: 0,
    models: undefined,
  }));
  const probeTimers = new Set<NodeJS.Timeout>();
  let checking: Promise<boolean> | undefined;
  const closing = new AbortController();

  function setBreaker(state: EndpointState, breaker: Breaker): void {
    if (state.breaker === breaker) return;
    const wasOpen = state.breaker.kind === "open" ? state.breaker.probeAtMs : undefined;
    state.breaker = breaker;
    serveWaiting();
    if (breaker.kind === "open" && breaker.probeAtMs !== wasOpen) scheduleProbe(state, breaker.probeAtMs);
    onChange();
  }

  const probeSignal = () => AbortSignal.any([closing.signal, AbortSignal.timeout(probeTimeoutMs)]);

  function scheduleProbe(state: EndpointState, atMs: number): void {
    const timer = setTimeout(
      async () => {
        probeTimers.delete(timer);
        const probe = await state.endpoint.probe(probeSignal());
        if (closing.signal.aborted) return;
        if (probe.usable) state.models = probe.models;
        const failure = probe.usable ? undefined : withMend(probe.outcome, tier, "auto");
        setBreaker(state, afterProbe(state.breaker, failure, Date.now(), Math.random));
        if (failure !== undefined) connected.noteOutcome(failure);
      },
      Math.max(0, atMs - Date.now()),
    );
    probeTimers.add(timer);
  }

  function allowanceOf(state: EndpointState): number {
    if (state.breaker.kind === "open") return 0;
    return state.breaker.kind === "trial" ? 1 : perEndpoint;
  }

  const allowance = () => endpoints.reduce((sum, state) => sum + allowanceOf(state), 0);
  const inFlight = () => endpoints.reduce((sum, state) => sum + state.inFlight, 0);
  const waiting: ((state: EndpointState | undefined) => void)[] = [];
  let limit = Infinity;
  let turningAway = false;

  /** Takes a place if there is one now. */
  function take(): EndpointState | undefined {
    if (inFlight() >= limit) return undefined;
    let best: EndpointState | undefined;
    let bestRoom = 0;
    for (const state of endpoints) {
      const room = allowanceOf(state) - state.inFlight;
      if (room > bestRoom) {
        best = state;
        bestRoom = room;
      }
    }
    if (best !== undefined) best.inFlight++;
    return best;
  }

  function serveWaiting(): void {
    while (waiting.length > 0) {
      const state = take();
      if (state === undefined && allowance() > 0) return;
      waiting.shift()!(state);
    }
  }

  async function modelIdAt(state: EndpointState, model: ModelConfig): Promise<string | Outcome> {
    if (model.model !== "auto") return model.model;
    if (state.models === undefined) {
      const probe = await state.endpoint.probe(probeSignal());
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

  function noteOutcome(state: EndpointState, outcome: Outcome): void {
    if (outcome.kind === "answered") state.answered++;
    if (outcome.kind === "unavailable" && outcome.reason === "model-missing") state.models = undefined;
    setBreaker(state, afterOutcome(state.breaker, outcome, Date.now(), Math.random));
    connected.noteOutcome(outcome);
  }

  async function findOneThere(): Promise<boolean> {
    for (const state of endpoints.filter(({ breaker }) => breaker.kind !== "open")) {
      if (state.answered > 0 || state.models !== undefined) return true;
      const probe = await state.endpoint.probe(probeSignal());
      if (probe.usable) state.models = probe.models;
      else noteOutcome(state, withMend(probe.outcome, tier, "auto"));
      if (probe.usable) return true;
    }
    return false;
  }

  function downSince(): Down | undefined {
    const open = endpoints.map((state) => state.breaker).filter((breaker) => breaker.kind === "open");
    if (open.length < endpoints.length) return undefined;
    const next = open.reduce((soonest, one) => (one.probeAtMs < soonest.probeAtMs ? one : soonest));
    const keyTrouble = connected.keyTrouble();
    return {
      reason: keyTrouble === undefined ? next.reason : `${next.reason}; ${keyTrouble}`,
      sinceMs: Math.min(...open.map((one) => one.sinceMs)),
      probeAtMs: next.probeAtMs,
      patienceMs: patienceMs(
        open.every((one) => one.needsAction),
        tier.fallbackAfterMs,
      ),
    };
  }

  return {
    perEndpoint,
    all: endpoints,
    inFlight,
    setLimit(calls) {
      limit = calls;
      serveWaiting();
    },
    async acquire() {
      if (turningAway) return undefined;
      const state = waiting.length === 0 ? take() : undefined;
      if (state !== undefined || allowance() === 0) return state;
      return new Promise((resolve) => waiting.push(resolve));
    },
    release(state) {
      state.inFlight--;
      serveWaiting();
    },
    turnAway() {
      turningAway = true;
      for (const resolve of waiting.splice(0)) resolve(undefined);
    },
    modelIdAt,
    noteOutcome,
    isThere() {
      checking ??= findOneThere().finally(() => {
        checking = undefined;
      });
      return checking;
    },
    allowance,
    downSince,
    async close() {
      closing.abort();
      for (const timer of probeTimers) clearTimeout(timer);
      await Promise.all(endpoints.map((state) => state.endpoint.close()));
    },
  };
}
