import type { Adapter, Endpoint } from "../../workers/adapter.ts";
import type { Config, ModelConfig, TierConfig } from "../config/config.ts";
import { mendOf } from "../config/mend.ts";
import { messageOf } from "../job/errors.ts";
import type { Outcome } from "../job/outcome.ts";
import { endpointsOf } from "./look-at-tier.ts";

/** How long a call of one token took. */
export type TimedCall =
  | {
      readonly answered: true;
      readonly model: string;
      readonly latencyMs: number;
      /** The first call of a local server, which may have to load the model. */
      readonly firstMs?: number;
      readonly advice?: string;
    }
  | { readonly answered: false; readonly model: string; readonly reason: string; readonly mend?: string };

const timeoutMs = 120_000;
/** From here on a batch is a matter of days. */
const slowMs = 5_000;

/** Asks a model for one token, a local one twice: the first call may load it. This may cost something. */
export async function timeCall(
  tier: TierConfig,
  config: Config,
  adapter: Adapter,
  model: ModelConfig,
  modelId: string,
): Promise<TimedCall> {
  const endpoint = adapter.connect(endpointsOf(tier, config)[0]!);
  try {
    const first = await callOnce(endpoint, model, modelId);
    if (first.outcome.kind !== "answered") return failed(first.outcome, tier, modelId);
    if (tier.location !== "local") return { answered: true, model: modelId, latencyMs: first.latencyMs };
    const second = await callOnce(endpoint, model, modelId);
    if (second.outcome.kind !== "answered") return failed(second.outcome, tier, modelId);
    const { latencyMs } = second;
    const advice = latencyMs < slowMs ? undefined : adviceFor(tier);
    return {
      answered: true,
      model: modelId,
      latencyMs,
      firstMs: first.latencyMs,
      ...(advice === undefined ? {} : { advice }),
    };
  } catch (error) {
    return { answered: false, model: modelId, reason: messageOf(error) };
  } finally {
    await endpoint.close();
  }
}

async function callOnce(
  endpoint: Endpoint,
  model: ModelConfig,
  modelId: string,
): Promise<{ readonly outcome: Outcome; readonly latencyMs: number }> {
  const startedMs = performance.now();
  const outcome = await endpoint.call({
    model: modelId,
    request: { messages: [{ role: "user", content: "Say yes." }], maxOutputTokens: 1 },
    maxOutputTokens: 1,
    ...(model.contextTokens === undefined ? {} : { contextTokens: model.contextTokens }),
    defaults: {},
    strict: false,
    private: false,
    signal: AbortSignal.timeout(timeoutMs),
    timeoutMs,
  });
  return { outcome, latencyMs: Math.round(performance.now() - startedMs) };
}

function failed(outcome: Outcome, tier: TierConfig, modelId: string): TimedCall {
  const reason = "message" in outcome ? outcome.message : outcome.kind;
  const mend = mendOf(outcome, tier, modelId);
  return { answered: false, model: modelId, reason, ...(mend === undefined ? {} : { mend }) };
}

function adviceFor({ provider }: TierConfig): string {
  return provider === "vllm"
    ? "it is busy, or the model is too large for its GPU: use a smaller or quantised one"
    : "use a smaller, quantised model (such as qwen3:0.6b), or vLLM, which batches many calls on one GPU";
}
