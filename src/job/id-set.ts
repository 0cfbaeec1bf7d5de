/** Remembers ids by a 64-bit hash each: about 16 bytes an id, whatever its length. */
export interface IdSet {
  /** True when it was not there before. Two ids in 10 billion pairs may be taken for one another. */
  add(id: string): boolean;
}

export function createIdSet(): IdSet {
  let capacity = 1_024;
  let high = new Uint32Array(capacity);
  let low = new Uint32Array(capacity);
  let count = 0;

  function insert(hashHigh: number, hashLow: number): boolean {
    let slot = hashLow & (capacity - 1);
    while (high[slot] !== 0 || low[slot] !== 0) {
      if (high[slot] === hashHigh && low[slot] === hashLow) return false;
      slot = (slot + 1) & (capacity - 1);
    }
    high[slot] = hashHigh;
    low[slot] = hashLow;
    return true;
  }

  function grow(): void {
    const [oldHigh, oldLow] = [high, low];
    capacity *= 2;
    high = new Uint32Array(capacity);
    low = new Uint32Array(capacity);
    for (let slot = 0; slot < oldHigh.length; slot++) {
      if (oldHigh[slot] !== 0 || oldLow[slot] !== 0) insert(oldHigh[slot]!, oldLow[slot]!);
    }
  }

  return {
    add(id) {
      // cyrb53's two lanes, both kept whole.
      let first = 0xdeadbeef;
      let second = 0x41c6ce57;
      for (let at = 0; at < id.length; at++) {
        const unit = id.charCodeAt(at);
        first = Math.imul(first ^ unit, 2_654_435_761);
        second = Math.imul(second ^ unit, 1_597_334_677);
      }
      first = Math.imul(first ^ (first >>> 16), 2_246_822_507) ^ Math.imul(second ^ (second >>> 13), 3_266_489_909);
      second = Math.imul(second ^ (second >>> 16), 2_246_822_507) ^ Math.imul(first ^ (first >>> 13), 3_266_489_909);
      // (0, 0) marks an empty slot.
      if (!insert(second >>> 0 || 1, first >>> 0)) return false;
      count++;
      if (count > capacity * 0.75) grow();
      return true;
    },
  };
}
