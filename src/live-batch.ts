import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet } from "./fleet.ts";
import { failedWithoutCall, type ResultLine } from "./job/result.ts";
import { askVotes } from "./live-votes.ts";
import type { PlannedRow, PreparedRow } from "./plan-row.ts";
import { findLostRows, suspectRows, sweepEveryMs } from "./queue/find-lost.ts";
import { livePrefix } from "./queue/forget-ownerless.ts";
import { OwnershipLost, type RowToPlace } from "./queue/place-rows.ts";
import { redisScript } from "./queue/redis-script.ts";
import { createWindows } from "./queue/window.ts";
import { createCollector } from "./results/collect.ts";

/** A batch without a file: rows come one by one and their results go to this process, and end with it. */
export interface LiveBatch {
  /** Queues a row; resolves with its one result, failed or answered. */
  enqueue(row: PlannedRow): Promise<ResultLine>;
  /** Ends the batch; rows without a result reject. */
  close(): Promise<void>;
  /** The same at once: calls in flight in this process are aborted, and nothing more is asked. */
  abort(): Promise<void>;
  /** Rejects rows without a result at once, and leaves the batch to those who find it without its process. */
  abandon(): void;
}

interface UnfinishedRow {
  readonly prepared: PreparedRow;
  readonly resolve: (result: ResultLine) => void;
  readonly reject: (error: Error) => void;
}

const rowsPerPlacing = 200;

/** @param onTier told before the first row of a tier is queued; starts its pool where this process has one. */
export async function openLiveBatch(fleet: Fleet, onTier: (tier: string) => Promise<void>): Promise<LiveBatch> {
  const batchId = `${livePrefix}${randomBytes(5).toString("hex")}`;
  const keys = fleet.names.batch(batchId);
  const generation = 0;
  const claim = (rebuild: boolean) =>
    fleet.claims.claim({
      batchId,
      processId: fleet.processId,
      lowestEpoch: 1,
      generation,
      incarnation: fleet.incarnation(),
      models: fleet.config.models,
      storedBitmap: Buffer.alloc(0),
      rebuild,
    });
  let { epoch } = await claim(false);

  const unfinished = new Map<number, UnfinishedRow>();
  const waiting = new Map<string, number[]>();
  const windows = createWindows((tier) => fleet.concurrencyOf(tier) ?? 64);
  const stopShowing = fleet.measures.showWindows(windows.all);
  const knownTiers = new Set<string>();
  let nextRow = 0;
  let scheduled = false;
  let closed = false;

  function schedule(): void {
    if (scheduled || closed) return;
    scheduled = true;
    setImmediate(() => void placeWaiting().catch(failAll));
  }

  async function placeWaiting(): Promise<void> {
    scheduled = false;
    for (const [lane, rows] of waiting) {
      if (rows.length === 0) continue;
      const window = windows.of(unfinished.get(rows[0]!)?.prepared.tiers[0] ?? lane, lane);
      const placing: number[] = [];
      while (rows.length > 0 && placing.length < rowsPerPlacing && window.hasRoom()) {
        const row = rows.shift()!;
        const one = unfinished.get(row);
        if (one === undefined) continue;
        window.enter(row, one.prepared.payload.length, one.prepared.tiers, one.prepared.votes?.voters.length);
        placing.push(row);
      }
      if (placing.length === 0) continue;
      await place(placing, false);
      if (rows.length > 0) schedule();
    }
  }

  async function place(rows: readonly number[], again: boolean): Promise<void> {
    const toPlace = rows.flatMap((row) => {
      const one = unfinished.get(row);
      return one === undefined ? [] : [{ ...one.prepared, row, again }];
    });
    for (const { tiers } of toPlace) {
      for (const tier of tiers) {
        if (knownTiers.has(tier)) continue;
        knownTiers.add(tier);
        await onTier(tier);
      }
    }
    const jobRows = await placeOnceKnown(toPlace);
    windows.noteJobs(toPlace, jobRows);
  }

  /** Nobody else owns this batch: when Redis says so, it came back and does not know the batch or its epoch yet. */
  async function placeOnceKnown(rows: readonly RowToPlace[]): Promise<(number | undefined)[]> {
    for (;;) {
      try {
        return await fleet.placeRows({ batchId, generation, epoch }, rows, windows.rowsPerJob);
      } catch (error) {
        if (!(error instanceof OwnershipLost) || closed) throw error;
        await sleep(100);
      }
    }
  }

  const trim = redisScript(fleet.redis, new URL("./results/trim.lua", import.meta.url), 2);
  const blocking = fleet.connectBlocking("live-collector");
  const collector = createCollector({
    blocking,
    stream: keys.results,
    async store(group) {
      for (const { row, line } of group) {
        const one = unfinished.get(row);
        if (one === undefined) continue;
        unfinished.delete(row);
        windows.leave(row);
        const result = JSON.parse(line) as ResultLine;
        fleet.measures.meter.rowEnded(result);
        if (result.tier !== null) windows.noteLatency(result.tier, result.latency_ms);
        one.resolve(result);
      }
      schedule();
    },
    async trim(firstToKeep) {
      await trim([keys.batch, keys.results], [epoch, firstToKeep]);
    },
  });
  const collecting = collector.run();
  collecting.catch(failAll);

  function failAll(error: unknown): void {
    for (const one of unfinished.values()) one.reject(error as Error);
    unfinished.clear();
  }

  const onIncarnation = async (): Promise<void> => {
    epoch = (await claim(true)).epoch;
    collector.rewind();
    await place([...windows.fedRows().keys()], true);
  };
  const rebuild = () => void onIncarnation().catch(failAll);
  fleet.onIncarnation(rebuild);

  /** Others took this process for dead and ended its batch. */
  const isForgotten = async () => (await fleet.redis.hget(keys.batch, "state")) !== "open" && !closed;
  const forgetOthers = () => fleet.forgetOwnerless().catch(() => {});
  void forgetOthers();

  const sweeper = setInterval(async () => {
    void forgetOthers();
    const isLost = async () =>
      (await isForgotten()) || (await fleet.claims.isOfEarlierRedis(batchId, fleet.incarnation()));
    if (await isLost().catch(() => false)) rebuild();
    const suspects = suspectRows(windows.fedRows());
    const placed = { batchId, generation, epoch };
    const lost = await findLostRows(fleet.redis, fleet.names, fleet.queues, placed, suspects).catch(() => []);
    if (lost.length > 0) await place(lost, true).catch(failAll);
  }, sweepEveryMs);
  sweeper.unref();

  function enqueueRow(row: number, prepared: PreparedRow): Promise<ResultLine> {
    return new Promise((resolve, reject) => {
      unfinished.set(row, { prepared, resolve, reject });
      const rows = waiting.get(prepared.lane);
      if (rows === undefined) waiting.set(prepared.lane, [row]);
      else rows.push(row);
      schedule();
    });
  }

  return {
    enqueue(planned) {
      if (closed) return Promise.reject(new Error("the fleet is closed"));
      const row = nextRow++;
      if (!planned.ok) return Promise.resolve(failedWithoutCall(row, planned.id, null, planned, planned.metadata));
      if (planned.row.votes === undefined) return enqueueRow(row, planned.row);
      return askVotes(planned.row, row, (vote) =>
        closed ? Promise.reject(new Error("the fleet is closed")) : enqueueRow(nextRow++, vote),
      );
    },
    async close() {
      if (closed) return;
      closed = true;
      collector.finish();
      await collecting.catch(() => {});
      abandon();
      await forget();
    },
    async abort() {
      if (closed) return;
      abandon();
      // The gates know before the calls end, so that none of them is made again.
      const forgotten = forget();
      for (const { pool } of fleet.pools()) pool.abort(batchId);
      await forgotten;
    },
    abandon,
  };

  async function forget(): Promise<void> {
    await fleet.claims.setState(batchId, "open", "ended");
    await fleet.claims.forget(batchId);
  }

  function abandon(): void {
    closed = true;
    clearInterval(sweeper);
    stopShowing();
    fleet.offIncarnation(rebuild);
    collector.finish();
    blocking.disconnect();
    failAll(new Error("the fleet was closed before this row had its result"));
  }
}
