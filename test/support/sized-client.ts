import type { SizeNotice } from "../../src/pool/divide-size.ts";
import { createEndpointSize, type EndpointSize } from "../../src/pool/endpoint-size.ts";
import type { SimulatedClient } from "./simulated-service.ts";

export interface SizedClient extends SimulatedClient {
  readonly size: EndpointSize;
}

/** A process whose size for the simulated server is "auto". */
export function sizedClient({
  start = 8,
  most = 1_024,
  seesGauges = false,
  rowsPerSecond = undefined as number | undefined,
} = {}): SizedClient {
  const size = createEndpointSize({ start, most }, 0);
  let ticks = 0;
  return {
    size,
    ...(rowsPerSecond === undefined ? {} : { rowsPerSecond }),
    limit: () => size.limit(),
    onStart: (nowMs) => size.started(nowMs),
    onEnd: (nowMs, latencyMs, kind) => size.ended(nowMs, latencyMs, kind),
    onTick(nowMs, gauges) {
      size.tick(nowMs);
      if (seesGauges && ticks++ % 10 === 0) size.gauges(gauges, nowMs);
    },
  };
}

const beatMs = 2_000;
const deadAfterMs = 8_000;

/** Processes that share one server and tell each other of their sizes at heartbeats, as fleet.ts has them do. */
export function sizedFleet(count: number): readonly SizedClient[] {
  const said = new Map<number, { readonly notice: SizeNotice; readonly atMs: number }>();
  return Array.from({ length: count }, (_, number) => {
    const client = sizedClient();
    const beatsAtMs = number * 700;
    let hasJoined = false;
    return {
      ...client,
      onTick(nowMs: number, gauges: { readonly running: number; readonly waiting: number }) {
        client.onTick?.(nowMs, gauges);
        if (hasJoined && (nowMs - beatsAtMs) % beatMs !== 0) return;
        hasJoined = true;
        said.set(number, { notice: client.size.notice(), atMs: nowMs });
        const members = [...said]
          .filter(([, one]) => one.atMs > nowMs - deadAfterMs)
          .sort(([one], [other]) => one - other)
          .map(([process, one]) => ({ process: `${process}`, notice: one.notice }));
        client.size.divide(`${number}`, members, nowMs);
        said.set(number, { notice: client.size.notice(), atMs: nowMs });
      },
    };
  });
}
