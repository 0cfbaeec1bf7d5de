import { findModelFile, knownModelNames } from "../src/config/model-files.ts";
import { messageOf } from "../src/job/errors.ts";
import type { Adapter, BackendCall, Endpoint, EndpointOptions } from "./adapter.ts";
import { inWordsIfRefused } from "./answer-form.ts";
import { EngineMissing, loadEngine } from "./llama-cpp-engine.ts";
import { generate } from "./llama-cpp-generate.ts";
import { BrokenModelFile, type LoadedModel, loadModel } from "./llama-cpp-model.ts";
import { plainRequest, refuseOmissions } from "./plain-request.ts";
import type { Failure } from "./response.ts";

/** A small model inside this process, through node-llama-cpp. A model id is a path to a `.gguf` or `smollm2-135m`. */
export const llamaCpp: Adapter = {
  provider: "llama-cpp",
  defaultConcurrency: 4,
  hasFixedConcurrency: true,
  needsBaseUrl: false,
  connect,
};

/** Used when the model's `contextTokens` is not set; memory grows with it, times the sequences. */
const defaultContextTokens = 2_048;
const mostSequences = 32;

function connect({ concurrency }: EndpointOptions): Endpoint {
  const sequences = Math.min(Math.max(concurrency, 1), mostSequences);
  const models = new Map<string, Promise<LoadedModel>>();
  const loaded = new Set<LoadedModel>();
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();

  /** Loaded with the context size of its first call, which is the same for all calls of a model. */
  function modelAt(path: string, contextTokens: number): Promise<LoadedModel> {
    const known = models.get(path);
    if (known !== undefined) return known;
    const loading = loadModel(path, sequences, contextTokens);
    models.set(path, loading);
    loading.then(
      (model) => {
        if (closing.signal.aborted) return model.dispose();
        loaded.add(model);
      },
      () => models.delete(path),
    );
    return loading;
  }

  async function call(backendCall: BackendCall): ReturnType<Endpoint["call"]> {
    const { model, signal, timeoutMs, contextTokens, onText } = backendCall;
    const file = findModelFile(model);
    if ("lookedAt" in file) return modelMissing(model, file.lookedAt);
    const request = plainRequest(backendCall);
    const refusal = refuseOmissions(backendCall, request);
    if (refusal !== undefined) return refusal;
    if (request.messages.some(({ imageUrls }) => imageUrls.length > 0)) {
      return { kind: "rejected", message: `${model} sees no images; name a model that does, or the task vision` };
    }
    const stop = new AbortController();
    const onAbort = (): void => stop.abort(cancelled);
    const timer = setTimeout(() => stop.abort(timedOut(timeoutMs)), timeoutMs);
    const signals = [signal, closing.signal];
    for (const one of signals) one.addEventListener("abort", onAbort);
    if (signals.some(({ aborted }) => aborted)) onAbort();
    try {
      stop.signal.throwIfAborted();
      const loading = modelAt(file.path, contextTokens ?? defaultContextTokens);
      return await generate(await Promise.race([loading, whenAborted(stop)]), request, model, stop.signal, onText);
    } catch (error) {
      return stop.signal.aborted ? (stop.signal.reason as Failure) : failureOf(error, model);
    } finally {
      clearTimeout(timer);
      for (const one of signals) one.removeEventListener("abort", onAbort);
    }
  }

  const askInForm = inWordsIfRefused(call);
  return {
    call(backendCall) {
      const ended = askInForm(backendCall);
      running.add(ended);
      void ended.finally(() => running.delete(ended));
      return ended;
    },
    async probe() {
      try {
        await loadEngine();
      } catch (error) {
        return { usable: false, outcome: failureOf(error, "") };
      }
      return { usable: true, models: knownModelNames.filter((name) => "path" in findModelFile(name)) };
    },
    async close() {
      closing.abort();
      await Promise.all(running);
      // What is still being loaded is let go when it is there.
      await Promise.all([...loaded].map((model) => model.dispose()));
    },
  };
}

function whenAborted({ signal }: AbortController): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

const cancelled: Failure = { kind: "cancelled", message: "stopped by this side" };

function timedOut(timeoutMs: number): Failure {
  return { kind: "timed-out", message: `the embedded model gave no whole answer within ${timeoutMs} ms` };
}

function modelMissing(model: string, lookedAt: readonly string[]): Failure {
  const message = `no file for the embedded model ${model}: looked at ${lookedAt.join(", ")}; scripts/quickstart brings smollm2-135m, any other model is given as a path to its .gguf`;
  return { kind: "unavailable", scope: "model", reason: "model-missing", message };
}

/** An engine that cannot be loaded stops the tier, a file that it cannot read stops the model. */
function failureOf(error: unknown, model: string): Failure {
  const message = messageOf(error);
  if (error instanceof EngineMissing || model === "" || /NoBinaryFound/.test(String((error as Error)?.name))) {
    return { kind: "unreachable", message };
  }
  if (error instanceof BrokenModelFile || /load model|gguf|memory|context/i.test(message)) {
    return {
      kind: "unavailable",
      scope: "model",
      reason: "model-missing",
      message: `${model} cannot be loaded: ${message}`,
    };
  }
  return { kind: "server-error", message: `the embedded model broke: ${message}` };
}
