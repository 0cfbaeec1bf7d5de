import { slotsPerRow } from "../job/consensus.ts";
import type { RowTable } from "../job/row-table.ts";
import { isAsked, type Slots } from "./voting.ts";

const bytesPerRow = slotsPerRow / 8;

/**
 * Bitmap of the votes that are not to be asked any more, in Redis' bit order: all of rows that have their result, and of
 * the open rows those that are in or withdrawn.
 */
export function votesBitmap(table: RowTable, open: Iterable<readonly [row: number, slots: Slots]>): Buffer {
  const rows = [...open];
  const length = rows.reduce((most, [row]) => Math.max(most, row + 1), table.length);
  const bitmap = Buffer.alloc(length * bytesPerRow);
  for (let row = 0; row < table.length; row++) {
    if (table.stateOf(row) === "stored") bitmap.fill(0xff, row * bytesPerRow, (row + 1) * bytesPerRow);
  }
  for (const [row, slots] of rows) {
    for (const [slot, state] of slots) {
      const place = row * slotsPerRow + slot;
      if (!isAsked(state)) bitmap[place >> 3]! |= 0x80 >> (place & 7);
    }
  }
  return bitmap;
}
