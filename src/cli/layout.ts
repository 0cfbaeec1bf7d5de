/** Words on lines of at most `width` characters; a longer word gets a line of its own, whole, so that it can be copied. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** Text that hangs: its first line after `first`, the others below it. */
export function hang(first: string, text: string, width: number): string[] {
  const margin = " ".repeat(first.length);
  return wrap(text, Math.max(20, width - first.length)).map((line, at) => (at === 0 ? first : margin) + line);
}

const gap = "  ";
/** Below this a last column is no column any more, and goes onto lines of its own. */
const narrowestColumn = 24;

/** Rows in columns as wide as what they hold; the last one is wrapped. */
export function table(rows: readonly (readonly string[])[], width: number): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns - 1 }, (_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const left = widths.reduce((sum, one) => sum + one + gap.length, gap.length);
  return rows.flatMap((row) => {
    const cells = widths.map((columnWidth, at) => (row[at] ?? "").padEnd(columnWidth));
    const last = row[columns - 1] ?? "";
    const start = gap + cells.map((cell) => cell + gap).join("");
    if (width - left >= narrowestColumn) return hang(start, last, width).map((line) => line.trimEnd());
    return [start.trimEnd(), ...(last === "" ? [] : hang(gap.repeat(2), last, width))];
  });
}

/** How wide lines may be on a stream: a terminal's width, else 100. */
export function widthOf(stream: { readonly columns?: number }): number {
  return Math.min(Math.max(stream.columns ?? 100, 40), 120);
}

/** 1234567 as 1,234,567; by hand, as Node's own way loads its tables of languages for 10 ms. */
export const count = (number: number): string => `${number}`.replace(/\B(?=(\d{3})+$)/g, ",");

export function usd(sum: number): string {
  if (sum > 0 && sum < 1e-6) return "less than $0.000001";
  return `$${sum === 0 || sum >= 0.995 ? sum.toFixed(2) : sum.toPrecision(2)}`;
}
