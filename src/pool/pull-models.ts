import type { Endpoint } from "../../workers/adapter.ts";
import type { Outcome } from "../job/outcome.ts";

/** Models that their endpoints fetch, because rows for them came and they were not there. */
export interface ModelPulls {
  /** While a model is fetched there: how far it is, in place of a call. */
  waitingFor(endpoint: Endpoint, modelId: string): Outcome | undefined;
  /** The outcome of a call; one that says that the model is missing has it fetched, and becomes a wait. */
  after(outcome: Outcome, endpoint: Endpoint, modelId: string): Outcome;
  close(): void;
}

/** So soon a row asks how far it is; the display shows what it hears. */
const askAgainMs = 1_000;
/** After one that failed, for lack of disk or of such a model. */
const pullAgainMs = 60_000;

/** @param isWanted false: a missing model is left missing, as its server is somebody's. */
export function createModelPulls(isWanted: boolean): ModelPulls {
  const stop = new AbortController();
  const states = new Map<Endpoint, Map<string, string>>();
  const timers = new Set<NodeJS.Timeout>();

  function waitingFor(endpoint: Endpoint, modelId: string): Outcome | undefined {
    const message = states.get(endpoint)?.get(modelId);
    return message === undefined ? undefined : { kind: "throttled", message, retryAfterMs: askAgainMs };
  }

  async function pull(endpoint: Endpoint, modelId: string): Promise<void> {
    const ofEndpoint = states.get(endpoint) ?? new Map<string, string>();
    states.set(endpoint, ofEndpoint);
    ofEndpoint.set(modelId, `pulling ${modelId}`);
    const onProgress = (progress: string) => void ofEndpoint.set(modelId, `pulling ${modelId}: ${progress}`);
    const failure = await endpoint.pull!(modelId, onProgress, stop.signal);
    if (failure === undefined || stop.signal.aborted) {
      ofEndpoint.delete(modelId);
      return;
    }
    ofEndpoint.set(modelId, `cannot pull ${modelId}: ${failure}; it is tried again every minute`);
    const timer = setTimeout(() => {
      timers.delete(timer);
      ofEndpoint.delete(modelId);
    }, pullAgainMs);
    timers.add(timer);
  }

  return {
    waitingFor,
    after(outcome, endpoint, modelId) {
      const isMissing =
        outcome.kind === "unavailable" && outcome.scope === "model" && outcome.reason === "model-missing";
      if (!isWanted || !isMissing || endpoint.pull === undefined) return outcome;
      // Another call may have found it missing meanwhile.
      if (waitingFor(endpoint, modelId) === undefined) void pull(endpoint, modelId);
      return waitingFor(endpoint, modelId)!;
    },
    close() {
      stop.abort();
      for (const timer of timers) clearTimeout(timer);
    },
  };
}
