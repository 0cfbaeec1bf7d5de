/** Where a row of a batch is, in the owner's memory: 12 bytes a row, whatever the rows hold. */
export type RowState = "unseen" | "parked" | "fed" | "stored";

export interface RowTable {
  /** One above the highest row that was ever named. */
  readonly length: number;
  readonly storedCount: number;
  stateOf(row: number): RowState;
  /** Byte offset in the input, while parked or fed. */
  inputOffsetOf(row: number): number;
  /** The number given to the row's tier when it was parked. */
  tierOf(row: number): number;
  /** Where the result lies, once stored. */
  storedAt(row: number): { readonly segment: number; readonly offset: number };
  park(row: number, inputOffset: number, tier: number): void;
  feed(row: number, inputOffset: number, tier: number): void;
  store(row: number, segment: number, offset: number): void;
  /** Its result counts no longer: it is unseen again. */
  forget(row: number): void;
  /** Bitmap of the stored rows, in Redis' bit order. */
  storedBitmap(): Buffer;
}

const rowsPerChunk = 65_536;
const states: readonly RowState[] = ["unseen", "parked", "fed", "stored"];

interface Chunk {
  readonly state: Uint8Array;
  readonly tier: Uint8Array;
  readonly segment: Uint16Array;
  /** Offset in the input until the row is stored, in its segment after that. */
  readonly offset: Float64Array;
}

export function createRowTable(): RowTable {
  const chunks: Chunk[] = [];
  let length = 0;
  let storedCount = 0;

  function chunkFor(row: number): Chunk {
    const number = Math.floor(row / rowsPerChunk);
    while (chunks.length <= number) {
      chunks.push({
        state: new Uint8Array(rowsPerChunk),
        tier: new Uint8Array(rowsPerChunk),
        segment: new Uint16Array(rowsPerChunk),
        offset: new Float64Array(rowsPerChunk),
      });
    }
    if (row >= length) length = row + 1;
    return chunks[number]!;
  }

  function put(row: number, state: number, offset: number): Chunk {
    const chunk = chunkFor(row);
    const at = row % rowsPerChunk;
    if (chunk.state[at] === 3) throw new Error(`row ${row} is stored and cannot move to ${states[state]}`);
    chunk.state[at] = state;
    chunk.offset[at] = offset;
    return chunk;
  }

  return {
    get length() {
      return length;
    },
    get storedCount() {
      return storedCount;
    },
    stateOf(row) {
      const chunk = chunks[Math.floor(row / rowsPerChunk)];
      return chunk === undefined ? "unseen" : states[chunk.state[row % rowsPerChunk]!]!;
    },
    inputOffsetOf: (row) => chunks[Math.floor(row / rowsPerChunk)]!.offset[row % rowsPerChunk]!,
    tierOf: (row) => chunks[Math.floor(row / rowsPerChunk)]!.tier[row % rowsPerChunk]!,
    storedAt(row) {
      const chunk = chunks[Math.floor(row / rowsPerChunk)]!;
      return { segment: chunk.segment[row % rowsPerChunk]!, offset: chunk.offset[row % rowsPerChunk]! };
    },
    park(row, inputOffset, tier) {
      put(row, 1, inputOffset).tier[row % rowsPerChunk] = tier;
    },
    feed(row, inputOffset, tier) {
      put(row, 2, inputOffset).tier[row % rowsPerChunk] = tier;
    },
    store(row, segment, offset) {
      put(row, 3, offset).segment[row % rowsPerChunk] = segment;
      storedCount++;
    },
    forget(row) {
      const chunk = chunks[Math.floor(row / rowsPerChunk)]!;
      if (chunk.state[row % rowsPerChunk] !== 3) throw new Error(`row ${row} is not stored`);
      chunk.state[row % rowsPerChunk] = 0;
      storedCount--;
    },
    storedBitmap() {
      const bitmap = Buffer.alloc(Math.ceil(length / 8));
      for (let row = 0; row < length; row++) {
        const chunk = chunks[Math.floor(row / rowsPerChunk)]!;
        if (chunk.state[row % rowsPerChunk] === 3) bitmap[row >> 3]! |= 0x80 >> (row & 7);
      }
      return bitmap;
    },
  };
}
