/**
 * The batches of a process that share its tiers. A queue is first in, first out, so what a batch gets of a tier is what
 * it has in the tier's queue beside others: each has its part, by weight, of what one alone would have there.
 */
export interface WindowShares {
  join(weight: number): BatchShare;
}

/** One batch's part. */
export interface BatchShare {
  weight: number;
  /** What its payloads in Redis may come to. */
  mostBytes(): number;
  of(lane: string): LaneShare;
  leave(): void;
}

export interface LaneShare {
  /** Of this batch, in Redis. */
  rows: number;
  /** It has rows for which there is no room. One that wants nothing leaves its part to the others. */
  wants: boolean;
  /** Rows that it may have there, if one batch alone could have `all`. */
  limit(all: number): number;
  noteDrained(rows: number): void;
  /** Rows a second that left the lane of late, of all batches. */
  drainPerSecond(): number;
}

interface Lane {
  readonly members: Map<BatchShare, LaneShare>;
  drained: number;
  drainPerSecond: number;
  measuredAtMs: number;
}

/** All windows together hold at most this many bytes of payloads. */
const mostBytes = 64 * 1024 * 1024;
const measureEveryMs = 250;

export function createWindowShares(): WindowShares {
  const lanes = new Map<string, Lane>();
  const batches = new Set<BatchShare>();

  function laneOf(name: string): Lane {
    let lane = lanes.get(name);
    if (lane === undefined) {
      lane = { members: new Map(), drained: 0, drainPerSecond: 0, measuredAtMs: performance.now() };
      lanes.set(name, lane);
    }
    return lane;
  }

  function shareOf(lane: Lane, batch: BatchShare): LaneShare {
    return {
      rows: 0,
      wants: false,
      limit(all) {
        let left = all;
        let weights = batch.weight;
        for (const [other, its] of lane.members) {
          if (other === batch) continue;
          if (its.wants) weights += other.weight;
          else left -= its.rows;
        }
        return Math.ceil((left * batch.weight) / weights);
      },
      noteDrained(rows) {
        lane.drained += rows;
      },
      drainPerSecond() {
        const elapsedMs = performance.now() - lane.measuredAtMs;
        if (elapsedMs >= measureEveryMs) {
          lane.drainPerSecond = (lane.drained * 1_000) / elapsedMs;
          lane.drained = 0;
          lane.measuredAtMs += elapsedMs;
        }
        return lane.drainPerSecond;
      },
    };
  }

  return {
    join(weight) {
      const batch: BatchShare = {
        weight,
        mostBytes() {
          let weights = 0;
          for (const one of batches) weights += one.weight;
          return (mostBytes * batch.weight) / weights;
        },
        of(name) {
          const lane = laneOf(name);
          let share = lane.members.get(batch);
          if (share === undefined) {
            share = shareOf(lane, batch);
            lane.members.set(batch, share);
          }
          return share;
        },
        leave() {
          batches.delete(batch);
          for (const { members } of lanes.values()) members.delete(batch);
        },
      };
      batches.add(batch);
      return batch;
    },
  };
}
