import { type Context, TraceFlags, trace } from "@opentelemetry/api";
import type { Telemetry } from "bullmq";

type Span = ReturnType<Telemetry["tracer"]["startSpan"]>;

/** The operations of a queue that are a span; the rest of BullMQ's (polls, locks, stall checks) would drown them. */
const traced = /^(?:add|addBulk|process)(?: |$)/;
/** Attributes that hold nothing that a producer, a row or an error has named; all others are left out. */
const kept: ReadonlySet<string> = new Set([
  "bullmq.queue.name",
  "bullmq.queue.operation",
  "bullmq.job.id",
  "bullmq.job.bulk.count",
  "bullmq.job.attempts.made",
  "bullmq.job.processed.timestamp",
  "bullmq.job.attempt_finished_timestamp",
]);

/**
 * BullMQ's telemetry without what jobs return, how they fail and what they are called: jobs of plain producers return
 * answers, and may be named by anything. A job carries its trace as W3C's `traceparent` alone.
 */
export function withoutText({ tracer, contextManager }: Telemetry<Context>): Telemetry<Context> {
  return {
    tracer: {
      startSpan: (name, options, parent) =>
        traced.test(name) ? silent(tracer.startSpan(name, options, parent)) : noSpan,
    },
    contextManager: {
      with: (context, action) => contextManager.with(context, action),
      active: () => contextManager.active(),
      getMetadata: traceparentOf,
      fromMetadata: readTraceparent,
    },
  };
}

function silent(span: Span): Span {
  return {
    setSpanOnContext: (context) => span.setSpanOnContext(context),
    setAttribute: (key, value) => {
      if (kept.has(key)) span.setAttribute(key, value);
    },
    setAttributes: (attributes) =>
      span.setAttributes(Object.fromEntries(Object.entries(attributes).filter(([key]) => kept.has(key)))),
    addEvent: (name) => span.addEvent(name),
    recordException: () => span.addEvent("exception"),
    end: () => span.end(),
  };
}

const noSpan: Span = {
  setSpanOnContext: (context) => context,
  setAttribute: () => {},
  setAttributes: () => {},
  addEvent: () => {},
  recordException: () => {},
  end: () => {},
};

function traceparentOf(context: Context): string {
  const span = trace.getSpanContext(context);
  if (span === undefined) return "";
  return `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, "0")}`;
}

function readTraceparent(active: Context, metadata: string): Context {
  const [, traceId, spanId, flags] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(metadata) ?? [];
  if (traceId === undefined || spanId === undefined) return active;
  const traceFlags = Number.parseInt(flags!, 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(active, { traceId, spanId, traceFlags, isRemote: true });
}
