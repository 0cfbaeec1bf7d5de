import type { Adapter, Endpoint } from "../../workers/adapter.ts";
import type { TierConfig } from "../config/config.ts";
import type { Outcome } from "../job/outcome.ts";
import type { SizeNotice } from "./divide-size.ts";
import { type CallHow, createEndpointSize, type EndpointSize } from "./endpoint-size.ts";

/** How a call ended; it may not have been made, as it could not be put on record. */
export type CallEndKind = Outcome["kind"] | "not-on-record";

/** A member of the tier, and what it said of the tier's endpoints, in the order of their URLs. */
export interface SizeMember {
  readonly process: string;
  readonly notices: readonly SizeNotice[];
}

export interface SizedEndpoint {
  readonly endpoint: Endpoint;
  /** Undefined: it is fixed. */
  readonly size: EndpointSize | undefined;
  readonly inFlight: number;
}

/** Where a server is ours, it is asked for more until it has had enough; a provider's limits are met sooner. */
const mostAtLocal = 1_024;
const mostAtCloud = 128;
const tickMs = 250;
const ticksPerGauge = 4;
const gaugesTimeoutMs = 5_000;

/** A size to begin with, when it is to be found; undefined when the tier's concurrency is fixed. */
export function newSize(tier: TierConfig, adapter: Adapter): EndpointSize | undefined {
  if (tier.concurrency !== "auto" || adapter.hasFixedConcurrency === true) return undefined;
  const most = tier.maxConcurrency ?? (tier.location === "local" ? mostAtLocal : mostAtCloud);
  return createEndpointSize({ start: Math.min(adapter.defaultConcurrency, most), most }, performance.now());
}

/** How many calls a tier's endpoints take when nothing is wrong with them. */
export interface PoolSizes {
  /** From all processes together. */
  full(): number;
  /** From this process, as far as sizes were found and divided. */
  own(): number;
  /** What processes divide by their number alone: fixed concurrency, or the bound of the one that is to be found. */
  readonly divisible: number;
  ended(state: SizedEndpoint, latencyMs: number, end: CallEndKind | undefined): void;
  /** What this process says of sizes to the others; empty where they are fixed. */
  notices(): readonly SizeNotice[];
  /** Divides them among the processes that work the tier. */
  divide(processId: string, members: readonly SizeMember[]): void;
  close(): void;
}

/** @param onChange told when other calls than before may be sent. */
export function openPoolSizes(
  tier: TierConfig,
  endpoints: readonly SizedEndpoint[],
  fixedSize: number,
  onChange: () => void,
): PoolSizes {
  const most = tier.maxConcurrency ?? Number.POSITIVE_INFINITY;
  const isSized = endpoints.some(({ size }) => size !== undefined);
  const sumOf = (calls: (state: SizedEndpoint) => number): number =>
    endpoints.reduce((sum, state) => sum + calls(state), 0);
  const own = () =>
    Math.min(
      most,
      sumOf(({ size }) => size?.limit() ?? fixedSize),
    );
  const full = () =>
    Math.min(
      most,
      sumOf(({ size }) => size?.total() ?? fixedSize),
    );
  let known = own();

  function noteChange(): void {
    if (own() === known) return;
    known = own();
    onChange();
  }

  const ticking = isSized ? letTimePass(endpoints, noteChange) : undefined;
  return {
    full,
    own,
    divisible: isSized ? most : full(),
    ended({ size }, latencyMs, end) {
      if (size === undefined) return;
      size.ended(performance.now(), latencyMs, howOf(end));
      noteChange();
    },
    notices: () => endpoints.flatMap(({ size }) => (size === undefined ? [] : [size.notice()])),
    divide(processId, members) {
      for (const [at, { size }] of endpoints.entries()) {
        const said = members.map(({ process, notices }) => ({ process, notice: notices[at] }));
        size?.divide(processId, said, performance.now());
      }
      noteChange();
    },
    close: () => ticking?.close(),
  };
}

/** What a call's end says of the server's pace. */
function howOf(end: CallEndKind | undefined): CallHow {
  if (end === "answered") return "answered";
  return end === "throttled" ? "refused" : "other";
}

/** Lets time pass for sizes, and asks servers that tell what waits at them. */
function letTimePass(endpoints: readonly SizedEndpoint[], onTick: () => void): { close(): void } {
  const closing = new AbortController();
  /** Not asked: they do not tell, or the last question is still open. */
  const silent = new Set<SizedEndpoint>();
  let ticks = 0;

  async function askGauges(state: SizedEndpoint): Promise<void> {
    if (state.inFlight === 0 || silent.has(state) || state.endpoint.gauges === undefined) return;
    silent.add(state);
    const signal = AbortSignal.any([closing.signal, AbortSignal.timeout(gaugesTimeoutMs)]);
    const gauges = await state.endpoint.gauges(signal);
    if (gauges === "none") return;
    silent.delete(state);
    if (gauges !== undefined) state.size?.gauges(gauges, performance.now());
  }

  const timer = setInterval(() => {
    for (const { size } of endpoints) size?.tick(performance.now());
    if (ticks++ % ticksPerGauge === 0) for (const state of endpoints) void askGauges(state);
    onTick();
  }, tickMs);
  timer.unref();
  return {
    close() {
      clearInterval(timer);
      closing.abort();
    },
  };
}
