import { judgeSlot, slotsPerRow, strongerSlot } from "../job/consensus.ts";
import { questionOf } from "../job/question-of.ts";
import type { AskableVoter, RowVotes, Voter } from "../job/row-votes.ts";
import { judgingRequest } from "./judging.ts";
import { isAsked, type SlotState, votingOf } from "./voting.ts";

/** A row that several models are asked and that has no result yet. */
export interface OpenRow {
  readonly row: number;
  readonly votes: RowVotes;
  /** Its window. */
  readonly lane: string;
  readonly slots: Map<number, SlotState>;
  /** Its result is on its way to disk. */
  isSettled: boolean;
}

export const placeOf = ({ row }: Pick<OpenRow, "row">, slot: number): number => row * slotsPerRow + slot;

/**
 * @param early votes that are on disk.
 * @param wasPlaced whether an earlier owner had asked it.
 */
export function openRow(
  { row, votes, lane = "" }: { readonly row: number; readonly votes?: RowVotes | undefined; readonly lane?: string },
  early: ReadonlyMap<number, SlotState> | undefined,
  wasPlaced: (place: number) => boolean,
): OpenRow {
  if (votes === undefined) throw new Error(`row ${row} is asked of one model`);
  const slots = new Map<number, SlotState>(early);
  const open: OpenRow = { row, votes, lane, slots, isSettled: false };
  for (let slot = 0; slot < slotsPerRow; slot++) {
    if (!slots.has(slot) && wasPlaced(placeOf(open, slot))) slots.set(slot, { askedAtMs: performance.now() });
  }
  return open;
}

export function voterAt({ votes }: OpenRow, slot: number): Voter {
  const voter = slot === judgeSlot ? votes.judge : slot === strongerSlot ? votes.stronger : votes.voters[slot];
  // An earlier owner asked by another configuration.
  return voter ?? { model: "", barred: "it is no longer configured" };
}

/** Votes are on their way without which nothing is counted: without `economy` all that are not late. */
export function isWaitedFor(
  { votes: { rule, voters }, slots }: OpenRow,
  isLate: (tier: string, askedAtMs: number) => boolean,
): boolean {
  if (rule.economy === true) return false;
  return voters.some((voter, slot) => {
    const state = slots.get(slot);
    return isAsked(state) && "tier" in voter && !isLate(voter.tier, state.askedAtMs);
  });
}

/** What is sent for a vote: the row's request, or to whoever judges the answers that are there. */
export function payloadAt({ votes, slots }: OpenRow, slot: number, voter: AskableVoter): string {
  if (slot !== judgeSlot) return votes.payloadOf(voter);
  return votes.payloadOf(voter, judgingRequest(votingOf(votes, slots), questionOf(votes.request)));
}
