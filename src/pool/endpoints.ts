import type { Endpoint } from "../../workers/adapter.ts";
import type { ModelConfig } from "../config/config.ts";
import { withMend } from "../config/mend.ts";
import type { Outcome } from "../job/outcome.ts";
import type { PromptRequest } from "../job/row.ts";
import { afterOutcome, afterProbe, type Breaker, closedBreaker, probeNow } from "./breaker.ts";
import { type ConnectionOptions, connectEndpoints } from "./connect-endpoints.ts";
import { patienceMs } from "./decide-retry.ts";
import type { EndpointSize } from "./endpoint-size.ts";
import { createPlaces } from "./places.ts";
import { type CallEndKind, newSize, openPoolSizes, type PoolSizes } from "./sized-endpoints.ts";

/** One endpoint of a tier as this process sees it. */
export interface EndpointState {
  readonly endpoint: Endpoint;
  readonly baseUrl: string;
  breaker: Breaker;
  inFlight: number;
  /** Calls that it is sent at once, where that is to be found. */
  readonly size: EndpointSize | undefined;
  /** Rows it has answered; grows. */
  answered: number;
  /** What its last good probe said it has. */
  models: readonly string[] | undefined;
}

/** The endpoints of a tier, each with a breaker of its own. */
export interface Endpoints {
  /** How many calls they take when nothing is wrong with them. */
  readonly sizes: PoolSizes;
  readonly all: readonly EndpointState[];
  inFlight(): number;
  /** Calls that may be in flight at all endpoints together. */
  setLimit(calls: number): void;
  /**
   * A place for one call; waits for one. Undefined when there is none to be had: all endpoints are down, or `turnAway` was
   * called.
   * @param online of an online call: it goes before all rows, until this is aborted.
   */
  acquire(request: PromptRequest, online?: AbortSignal): Promise<EndpointState | undefined>;
  /** @param end how the call ended, if one was made. */
  release(state: EndpointState, latencyMs: number, end: CallEndKind | undefined, isOnline: boolean): void;
  /** For good: sends away all who wait for a place, and all who come after, such as a row that was at the gate. */
  turnAway(): void;
  /** The provider's id of a model there ("auto" is its first one), or why there is none. */
  modelIdAt(state: EndpointState, model: ModelConfig): string | Promise<string | Outcome>;
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
  /** A place is kept for online calls. Default false. */
  readonly servesOnline?: boolean;
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
    for (const state of endpoints) setBreaker(state, probeNow(state.breaker, performance.now()));
  });
  const endpoints: EndpointState[] = connected.urls.map((baseUrl, at) => ({
    endpoint: connected.endpoints[at]!,
    baseUrl,
    breaker: closedBreaker,
    inFlight: 0,
    size: newSize(tier, adapter),
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
    places.serve();
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
        setBreaker(state, afterProbe(state.breaker, failure, performance.now(), Math.random));
        if (failure !== undefined) connected.noteOutcome(failure);
      },
      Math.max(0, atMs - performance.now()),
    );
    probeTimers.add(timer);
  }

  function allowanceOf(state: EndpointState): number {
    if (state.breaker.kind === "open") return 0;
    return state.breaker.kind === "trial" ? 1 : (state.size?.limit() ?? perEndpoint);
  }

  const kept = options.servesOnline !== true ? "none" : endpoints[0]?.size === undefined ? "within" : "beside";
  const places = createPlaces(endpoints, allowanceOf, ({ size }) => size?.started(performance.now()), kept);
  const { allowance } = places;
  const sizes = openPoolSizes(tier, endpoints, perEndpoint, () => {
    places.serve();
    onChange();
  });

  async function firstModelAt(state: EndpointState): Promise<string | Outcome> {
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
    setBreaker(state, afterOutcome(state.breaker, outcome, performance.now(), Math.random));
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
    sizes,
    all: endpoints,
    inFlight: places.inFlight,
    setLimit: places.setLimit,
    acquire: places.acquire,
    release(state, latencyMs, end, isOnline) {
      places.release(state, isOnline);
      sizes.ended(state, latencyMs, end);
      places.serve();
    },
    turnAway: places.turnAway,
    modelIdAt: (state, model) => (model.model === "auto" ? firstModelAt(state) : model.model),
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
      sizes.close();
      for (const timer of probeTimers) clearTimeout(timer);
      await Promise.all(endpoints.map((state) => state.endpoint.close()));
    },
  };
}
