import type { RunSnapshot } from "../run-report.ts";

/**
 * Why a batch, or a part of it, does not go on: as a whole, then of each tier that has rows of it and none in a call.
 * @param ofAll why it waits as a whole.
 */
export function batchWaits(ofAll: string | undefined, snapshot: Pick<RunSnapshot, "tiers"> | undefined): string[] {
  const ofTiers = (snapshot?.tiers ?? []).flatMap(({ tier, running, reason }) =>
    reason === undefined || running > 0 ? [] : [`${tier}: ${reason}`],
  );
  return ofAll === undefined ? ofTiers : [ofAll, ...ofTiers];
}
