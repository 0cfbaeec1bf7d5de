import type { Fleet } from "./fleet.ts";
import { findLostRows, suspectRows } from "./queue/find-lost.ts";
import type { BatchPlace, RowToPlace } from "./queue/place-rows.ts";
import type { FedRow, Windows } from "./queue/window.ts";

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

export interface VoteToPlace extends RowToPlace {
  /** The row that it is a vote on. */
  readonly ofRow: number;
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

type AskedVote = Pick<FedRow, "tiers" | "fedAtMs"> & { jobRow: number };

const votesPerPlacing = 768;

export function createVotePlacing(options: PlaceVotesOptions): VotePlacing {
  const { fleet, windows, isOpen, placing, fail } = options;
  const asked = new Map<number, AskedVote>();
  const queue: VoteToPlace[] = [];
  let isPlacing = false;

  async function all(): Promise<void> {
    while (queue.length > 0) await placeSome(queue.splice(0, votesPerPlacing));
  }

  async function placeSome(some: readonly VoteToPlace[]): Promise<void> {
    const votes = some.filter(({ ofRow }) => isOpen(ofRow));
    const rows = votes.map(({ ofRow }) => ({ row: ofRow }));
    await placing(rows, async () => {
      for (const { row, tiers } of votes) asked.set(row, { tiers, fedAtMs: performance.now(), jobRow: row });
      const named = await fleet.placeRows(options.place(), votes, windows().rowsPerJob);
      for (const [at, { row }] of votes.entries()) {
        const one = asked.get(row);
        if (one !== undefined) one.jobRow = named[at] ?? row;
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
