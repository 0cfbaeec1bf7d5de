import { type BatchOwnership, claimOwnership } from "./batch-ownership.ts";
import { type BatchCollecting, collectBatch } from "./collect-batch.ts";
import { judgeSlot, rowOfPlace, slotOfPlace, strongerSlot, votesBatchOf } from "./job/consensus.ts";
import type { ResultLine } from "./job/result.ts";
import type { RowTable } from "./job/row-table.ts";
import { createVotePlacing, type PlaceVotesOptions } from "./place-votes.ts";
import type { RowToPlace } from "./queue/place-rows.ts";
import { nextStep } from "./results/next-step.ts";
import { isWaitedFor, type OpenRow, openRow, placeOf, voterAt } from "./results/open-row.ts";
import { addVote, type EarlyVotes, type Recorded } from "./results/segments.ts";
import { votesBitmap } from "./results/votes-bitmap.ts";
import { consensusLine, isAsked, isResult, votingOf } from "./results/voting.ts";

export interface OwnVotesOptions extends Pick<PlaceVotesOptions, "fleet" | "windows" | "placing" | "fail"> {
  readonly batchId: string;
  readonly generation: number;
  readonly outputPath: string;
  /** The owner's own. */
  readonly epoch: () => number;
  readonly keepAnswered: boolean;
  readonly table: RowTable;
  /** Votes that earlier owners have put on disk, of rows without a result. */
  readonly early: EarlyVotes;
  /** Puts results of rows, and votes on others, on disk. */
  readonly store: (group: readonly Recorded[]) => Promise<void>;
  /** Throws when another process owns the batch. */
  readonly checkOwnership: () => Promise<void>;
}

/**
 * The owner's side of rows that several models are asked. Each vote is a row of a second batch (`BATCH.votes`), with a
 * payload, a done bit and a result of its own, so it is asked, moved, paid and recorded like any row. What is recorded
 * comes here: a vote that leaves its row open is put on disk as it is; one that settles it, as the row's result.
 */
export interface OwnVotes {
  /** Takes up what an earlier owner has left in Redis or on disk. */
  resume(): Promise<void>;
  /** Puts rows to their models, for the first time or again. */
  place(rows: readonly RowToPlace[]): Promise<void>;
  /** No queue holds such a row itself, only votes on it. */
  has(row: number): boolean;
  /** These rows have their result. */
  forget(rows: readonly number[]): void;
  /** Redis came back as somebody else. */
  rebuild(): Promise<void>;
  /** Looks for votes whose jobs are lost, and for rows that wait for votes which change nothing any more. */
  sweep(): Promise<void>;
  /** Collects what is recorded, and ends. */
  finish(): Promise<void>;
}

/** Votes on a row that come together are on disk once, as its result; and their tiers have a second's rows in any case. */
const groupIntervalMs = 30;

export function createOwnVotes(options: OwnVotesOptions): OwnVotes {
  const { fleet, generation, table, early, store, placing, windows, checkOwnership, fail } = options;
  const batchId = votesBatchOf(options.batchId);
  const rows = new Map<number, OpenRow>();
  let ownership: BatchOwnership | undefined;
  let collecting: BatchCollecting | undefined;
  const place = () => ({ batchId, generation, epoch: ownership?.epoch ?? 0 });
  const queue = createVotePlacing({ fleet, place, windows, placing, isOpen: (row) => rows.has(row), fail });

  async function start(): Promise<void> {
    if (ownership !== undefined) return;
    ownership = await claimOwnership({
      ...{ fleet, batchId, generation, outputPath: options.outputPath, keepAnswered: options.keepAnswered },
      lowestEpoch: options.epoch(),
      // Pools go by those of the batch itself.
      models: {},
      storedBitmap: () => votesBitmap(table, [...early, ...[...rows].map(([row, { slots }]) => [row, slots] as const)]),
    });
    collecting = collectBatch(fleet, batchId, () => place().epoch, take, checkOwnership, groupIntervalMs);
    collecting.done.catch(fail);
  }

  const wasPlaced = (at: number): boolean => ownership?.placedBefore.has(at) === true;

  function open(row: RowToPlace): OpenRow {
    const openedRow = openRow(row, early.get(row.row), wasPlaced);
    early.delete(row.row);
    rows.set(row.row, openedRow);
    return openedRow;
  }

  /** Votes that are recorded: those that settle their row become its result, others are kept until one does. */
  async function take(group: readonly Recorded[]): Promise<void> {
    const touched = new Map<OpenRow, Recorded[]>();
    const lines: Recorded[] = [];
    for (const { row: at, line } of group) {
      const row = rowOfPlace(at);
      queue.left(at);
      if (table.stateOf(row) === "stored") continue;
      const vote = JSON.parse(line) as ResultLine;
      const recorded = { row: at, line, isVote: true };
      const openedRow = rows.get(row);
      if (openedRow === undefined) {
        addVote(early, at, vote);
        lines.push(recorded);
      } else if (!isResult(openedRow.slots.get(slotOfPlace(at)))) {
        openedRow.slots.set(slotOfPlace(at), vote);
        noteLatency(openedRow, vote);
        const ofRow = touched.get(openedRow);
        if (ofRow === undefined) touched.set(openedRow, [recorded]);
        else ofRow.push(recorded);
      }
    }
    for (const [openedRow, ofRow] of touched)
      lines.push(...((isWaitedFor(openedRow, isLate) ? undefined : advance(openedRow)) ?? ofRow));
    await store(lines);
    queue.start();
  }

  function noteLatency({ lane }: OpenRow, { tier, latency_ms }: ResultLine): void {
    if (tier === null) return;
    for (const name of lane === tier ? [tier] : [tier, lane]) windows().noteLatency(name, latency_ms);
  }

  /** Asks whom the row is to be put to next; its result once that is settled and nothing more is on its way. */
  function advance(openedRow: OpenRow): Recorded[] | undefined {
    if (openedRow.isSettled) return undefined;
    const { row, votes, slots } = openedRow;
    const step = nextStep(votingOf(votes, slots, isLate));
    switch (step.kind) {
      case "ask":
        askAll(openedRow, step.models);
        return undefined;
      case "ask-judge":
        ask(openedRow, judgeSlot);
        return undefined;
      case "ask-stronger":
        ask(openedRow, strongerSlot);
        return undefined;
      default: {
        const onTheWay: number[] = [];
        for (const [slot, state] of slots) if (isAsked(state)) onTheWay.push(slot);
        if (onTheWay.length > 0) {
          withdraw(openedRow, onTheWay).catch(fail);
          return undefined;
        }
        openedRow.isSettled = true;
        const result = consensusLine(row, votes, slots, step);
        return [{ row, line: JSON.stringify(result), result }];
      }
    }
  }

  function askAll(openedRow: OpenRow, models: readonly string[]): void {
    openedRow.votes.voters.forEach(({ model }, slot) => {
      if (models.includes(model) && !openedRow.slots.has(slot)) ask(openedRow, slot);
    });
  }

  function ask(openedRow: OpenRow, slot: number, again = false): void {
    const voter = voterAt(openedRow, slot);
    if ("barred" in voter) return;
    if (!isAsked(openedRow.slots.get(slot))) openedRow.slots.set(slot, { askedAtMs: performance.now() });
    queue.add({ openedRow, slot, voter, again: again || wasPlaced(placeOf(openedRow, slot)) });
  }

  /** A tier that is down is waited for that long before its rows move on. */
  function isLate(tier: string, askedAtMs: number): boolean {
    return performance.now() - askedAtMs > (fleet.config.tiers[tier]?.fallbackAfterMs ?? Number.POSITIVE_INFINITY);
  }

  /**
   * Does without votes that cannot change the outcome and are in no call. Without `economy` all are waited for, as they
   * show how sure the answer is; but not for a tier that is down.
   */
  async function withdraw(openedRow: OpenRow, slots: readonly number[]): Promise<void> {
    let isAny = false;
    for (const slot of slots) {
      const state = openedRow.slots.get(slot);
      const voter = voterAt(openedRow, slot);
      const isOfLate = "tier" in voter && isAsked(state) && isLate(voter.tier, state.askedAtMs);
      if (openedRow.votes.rule.economy !== true && !isOfLate) continue;
      const row = placeOf(openedRow, slot);
      const isDone = await fleet.record(batchId, { row, generation, call: "", action: { kind: "withdraw" } });
      if (!isDone || !isAsked(openedRow.slots.get(slot))) continue;
      openedRow.slots.set(slot, "withdrawn");
      queue.left(row);
      isAny = true;
    }
    if (isAny) await store(advance(openedRow) ?? []);
  }

  /** Votes that were asked and are not in. */
  function askAgain(openedRow: OpenRow): void {
    for (const [slot, state] of openedRow.slots) if (isAsked(state)) ask(openedRow, slot, true);
  }

  async function rebuild(): Promise<void> {
    if (ownership === undefined) return;
    queue.forgetAll();
    await ownership.claimAgain();
    collecting?.rewind();
    for (const openedRow of rows.values()) askAgain(openedRow);
    queue.start();
  }

  return {
    async resume() {
      if (early.size > 0 || (await fleet.redis.exists(fleet.names.batch(batchId).batch)) === 1) await start();
    },
    async place(toPlace) {
      await start();
      const settled: Recorded[] = [];
      for (const one of toPlace) {
        const openedRow = rows.get(one.row) ?? open(one);
        askAgain(openedRow);
        settled.push(...(advance(openedRow) ?? []));
      }
      await store(settled);
      await queue.all();
    },
    has: (row) => rows.has(row),
    forget(done) {
      for (const row of done) {
        const openedRow = rows.get(row);
        if (openedRow === undefined) continue;
        rows.delete(row);
        for (const slot of openedRow.slots.keys()) queue.left(placeOf(openedRow, slot));
      }
    },
    rebuild,
    async sweep() {
      // It came back while they were being claimed.
      if (await fleet.claims.isOfEarlierRedis(batchId, fleet.incarnation())) await rebuild();
      for (const at of await queue.findLost()) {
        const openedRow = rows.get(rowOfPlace(at));
        if (openedRow !== undefined && isAsked(openedRow.slots.get(slotOfPlace(at))))
          ask(openedRow, slotOfPlace(at), true);
      }
      for (const row of new Set([...queue.asked()].map(rowOfPlace))) {
        const openedRow = rows.get(row);
        await store((openedRow && advance(openedRow)) ?? []);
      }
      queue.start();
    },
    finish: async () => collecting?.finish(),
  };
}
