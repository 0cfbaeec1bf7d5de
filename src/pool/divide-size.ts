/** What a process says of an endpoint's size with each heartbeat. */
export interface SizeNotice {
  /** It is the one that searches. */
  readonly leads: boolean;
  /** Calls in flight that it holds to be right for all processes together. */
  readonly total: number;
  /** Calls that it may have in flight itself. */
  readonly own: number;
}

export interface SizeShare {
  readonly leads: boolean;
  /** What the leader found, if there is one. */
  readonly total: number | undefined;
  /** Calls that the other processes may have in flight. */
  readonly others: number;
  /** This process' part of the total. */
  readonly share: number;
}

/**
 * Two who search at one server are noise to each other, and when it is full each gains by taking from the other: so one
 * of its processes searches for all, and the others take the same share as it has. The one who led goes on to lead.
 * @param members the processes that work the tier, in one order for all, and what they said.
 */
export function divideSize(
  processId: string,
  members: readonly { readonly process: string; readonly notice: SizeNotice | undefined }[],
): SizeShare {
  const leader = members.find(({ notice }) => notice?.leads === true) ?? members[0];
  const total = members.find(({ notice }) => notice?.leads === true)?.notice?.total;
  const others = members.reduce((sum, one) => sum + (one.process === processId ? 0 : (one.notice?.own ?? 0)), 0);
  const place = members.findIndex((one) => one.process === processId);
  const leads = leader === undefined || leader.process === processId;
  return {
    leads,
    total,
    others,
    share: partOf(Math.round(total ?? 0), Math.max(1, members.length), Math.max(0, place)),
  };
}

function partOf(slots: number, parts: number, place: number): number {
  return Math.floor(slots / parts) + (place < slots % parts ? 1 : 0);
}
