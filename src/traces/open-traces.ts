import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Context,
  type ContextManager,
  context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { BullMQOtel } from "bullmq-otel";
import type { TracesSettings } from "../config/environment.ts";
import type { EndedCall } from "../job/ended-call.ts";
import { withoutText } from "./queue-telemetry.ts";
import type { Traces } from "./traces.ts";

const libraryName = "promptfleet";
/** Spans that may wait to be sent; what is beyond that is dropped rather than held. */
const mostWaiting = 8_192;
/** What a collector that hangs may hold up the end of the program. */
const closeTimeoutMs = 3_000;

/** The exporter reads its address, headers and timeouts from the environment itself. */
export function openTraces({ serviceName, ratio }: TracesSettings, fleet: string): Traces {
  const processor = new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), maxQueueSize: mostWaiting });
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ "service.name": serviceName, "promptfleet.fleet": fleet }),
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
    spanProcessors: [processor],
  });
  // BullMQ's package asks for both globally; where the program has its own, they stay.
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(createContextManager());
  const tracer = trace.getTracer(libraryName);

  return {
    ofQueues: withoutText(new BullMQOtel({ tracerName: libraryName })),
    callEnded({ tier, model, task, outcome, costUsd, startedAtMs, latencyMs }: EndedCall) {
      const usage = outcome.kind === "answered" ? outcome.answer.usage : undefined;
      const span = tracer.startSpan(`call ${tier}`, {
        kind: SpanKind.CLIENT,
        startTime: startedAtMs,
        attributes: {
          "promptfleet.tier": tier,
          "promptfleet.model": model,
          "promptfleet.outcome": outcome.kind,
          ...(task === null ? {} : { "promptfleet.task": task }),
          ...(usage === undefined
            ? {}
            : {
                "gen_ai.usage.input_tokens": usage.inputTokens,
                "gen_ai.usage.output_tokens": usage.outputTokens,
                "promptfleet.cost_usd": costUsd,
              }),
        },
      });
      if (usage === undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: outcome.kind });
      span.end(startedAtMs + latencyMs);
    },
    async close() {
      const timeout = AbortSignal.timeout(closeTimeoutMs);
      const timedOut = new Promise<void>((resolve) => timeout.addEventListener("abort", () => resolve()));
      await Promise.race([provider.shutdown().catch(() => {}), timedOut]);
      trace.disable();
      context.disable();
    },
  };
}

/** A span's callbacks know it as theirs, whatever they wait for. */
function createContextManager(): ContextManager {
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, action, self, ...args) => storage.run(active, () => action.call(self as never, ...args)),
    bind: (active, target) =>
      typeof target === "function"
        ? (((...args: unknown[]) => storage.run(active, () => target(...args))) as typeof target)
        : target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}
