/*
 * A line that cannot be passed on as it is (too long, a CSV record of the wrong width) is replaced by a small JSON line
 * under a key that nobody uses, so that whoever reads lines need not know of it and the row still ends in one result.
 */
const key = "\u0000unreadable";
const start = Buffer.from(JSON.stringify({ [key]: "" }).slice(0, -2));

/** @param message what was expected and found, without the line number. */
export function unreadableLine(message: string): Buffer {
  return Buffer.from(JSON.stringify({ [key]: message }));
}

/** The message of an unreadable line; undefined for any other. */
export function messageOfUnreadable(line: Buffer): string | undefined {
  if (line[2] !== start[2] || line.subarray(0, start.length).compare(start) !== 0) return undefined;
  try {
    return String((JSON.parse(line.toString("utf8")) as Record<string, unknown>)[key]);
  } catch {
    return undefined;
  }
}
