import type { Fleet } from "./fleet.ts";
import type { AskableVoter } from "./job/row-votes.ts";
import { findLostRows, suspectRows } from "./queue/find-lost.ts";
import type { BatchPlace, RowToPlace } from "./queue/place-rows.ts";
import type { FedRow, Windows } from "./queue/window.ts";
import { type OpenRow, payloadAt, placeOf } from "./results/open-row.ts";

export interface PlaceVotesOptions {
  readonly fleet: Fleet;
  /** That of the votes. */
  readonly place: () => BatchPlace;
  readonly windows: () => Windows;
  readonly isOpen: (row: number) => boolean;
  /** Places something, unless another process owns the batch by now; else these rows are fed again. */
  readonly placing: (rows: readonly { readonly row: number }[], place: () => Promise<void>) => Promise<void>;
  readonly fail: (error: unknown) => void;
}

export interface VoteToPlace {
  /** The row that it is a vote on. */
  readonly openedRow: OpenRow;
  readonly slot: number;
  readonly voter: AskableVoter;
  /** As in RowToPlace. */
  readonly again: boolean;
}

/** Puts votes into the queues of their tiers, in groups, and knows which are there. */
export interface VotePlacing {
  add(vote: VoteToPlace): void;
  /** Places all that were added; without a need to wait for it. */
  start(): void;
  all(): Promise<void>;
  /** Places of votes that are in a queue or a call. */
  asked(): Iterable<number>;
  left(place: number): void;
  /** Redis came back as somebody else, with none of them. */
  forgetAll(): void;
  /** Votes that no queue holds any more. */
  findLost(): Promise<number[]>;
}

type AskedVote = Pick<FedRow, "tiers" | "fedAtMs" | "jobRow">;

/** Their payloads are made when they are placed, and are gone before the next ones are made: in whole jobs of 3 models. */
const votesPerPlacing = 288;

const rowOf = ({ openedRow, slot, voter, again }: VoteToPlace): RowToPlace => ({
  row: placeOf(openedRow, slot),
  task: openedRow.votes.task,
  route: [voter.alias],
  tiers: [voter.tier],
  payload: payloadAt(openedRow, slot, voter),
  again,
});

export function createVotePlacing(options: PlaceVotesOptions): VotePlacing {
  const { fleet, windows, isOpen, placing, fail } = options;
  const asked = new Map<number, AskedVote>();
  const queue: VoteToPlace[] = [];
  let isPlacing = false;

  async function all(): Promise<void> {
    while (queue.length > 0) await placeSome(queue.splice(0, votesPerPlacing));
  }

  async function placeSome(some: readonly VoteToPlace[]): Promise<void> {
    const open = some.filter(({ openedRow }) => isOpen(openedRow.row));
    const rows = open.map(({ openedRow }) => openedRow);
    await placing(rows, async () => {
      const votes = open.map(rowOf);
      const fedAtMs = performance.now();
      for (const { row, tiers } of votes) asked.set(row, { tiers, fedAtMs, jobRow: row });
      const named = await fleet.placeRows(options.place(), votes, windows().rowsPerJob);
      // What is known of votes in one job is the same: thousands of them are there for a while.
      const jobs = new Map<number, AskedVote>();
      for (const [at, { row, tiers }] of votes.entries()) {
        if (!asked.has(row)) continue;
        const jobRow = named[at] ?? row;
        const job = jobs.get(jobRow) ?? { tiers, fedAtMs, jobRow };
        jobs.set(jobRow, job);
        asked.set(row, job);
      }
    });
  }

  return {
    add: (vote) => void queue.push(vote),
    start() {
      if (isPlacing || queue.length === 0) return;
      isPlacing = true;
      all()
        .finally(() => {
          isPlacing = false;
        })
        .catch(fail);
    },
    all,
    asked: () => asked.keys(),
    left: (place) => void asked.delete(place),
    forgetAll: () => asked.clear(),
    findLost: () => findLostRows(fleet.redis, fleet.names, fleet.queues, options.place(), suspectRows(asked)),
  };
}
