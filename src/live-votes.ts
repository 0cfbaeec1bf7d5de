import { judgeSlot, strongerSlot } from "./job/consensus.ts";
import type { ResultLine } from "./job/result.ts";
import type { PreparedRow } from "./plan-row.ts";
import { nextStep } from "./results/next-step.ts";
import { type OpenRow, openRow, payloadAt, voterAt } from "./results/open-row.ts";
import { consensusLine, votingOf } from "./results/voting.ts";

/**
 * Puts a row to its models and waits for their agreement, in a process that keeps nothing of it: the batch without a
 * file. With `economy` it ends as soon as the outcome is settled, else when all votes are in.
 * @param ask one vote, as a row of its own.
 */
export function askVotes(
  prepared: PreparedRow,
  row: number,
  ask: (vote: PreparedRow) => Promise<ResultLine>,
): Promise<ResultLine> {
  const { promise, resolve, reject } = Promise.withResolvers<ResultLine>();
  const open: OpenRow = openRow({ row, ...prepared }, undefined, () => false);
  const { votes, slots } = open;

  function askSlot(slot: number): void {
    const voter = voterAt(open, slot);
    if ("barred" in voter || slots.has(slot)) return;
    slots.set(slot, { askedAtMs: performance.now() });
    const { votes: _votes, metadata: _metadata, ...bare } = prepared;
    const payload = payloadAt(open, slot, voter);
    const vote = { ...bare, route: [voter.alias], tiers: [voter.tier], lane: voter.tier, payload };
    ask(vote).then((result) => {
      slots.set(slot, result);
      advance();
    }, reject);
  }

  function advance(): void {
    const step = nextStep(votingOf(votes, slots));
    switch (step.kind) {
      case "ask":
        for (const [slot, { model }] of votes.voters.entries()) if (step.models.includes(model)) askSlot(slot);
        return;
      case "ask-judge":
        askSlot(judgeSlot);
        return;
      case "ask-stronger":
        askSlot(strongerSlot);
        return;
      default:
        resolve(consensusLine(row, votes, slots, step));
    }
  }

  advance();
  return promise;
}
