/** From the index of a row to its line, remembering only where they drift apart: at blank lines, at cells of many lines. */
export interface LineNumbers {
  /** From `index` on, line numbers are `index + 1 + extraLines`. Indices may come again, in another pass. */
  remember(index: number, extraLines: number): void;
  lineNumberOf(index: number): number;
}

export function createLineNumbers(): LineNumbers {
  const indices: number[] = [];
  const extras: number[] = [];
  return {
    remember(index, extraLines) {
      if (indices.length > 0 && index <= indices[indices.length - 1]!) return;
      if ((extras[extras.length - 1] ?? 0) === extraLines) return;
      indices.push(index);
      extras.push(extraLines);
    },
    lineNumberOf(index) {
      let low = 0;
      let high = indices.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (indices[middle]! <= index) low = middle + 1;
        else high = middle;
      }
      return index + 1 + (extras[low - 1] ?? 0);
    },
  };
}
