import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";

/*
 * Results that do not count, as their rows are asked again: `EPOCH OFFSET` a line, beside the segments, which are only
 * ever appended to. A line without its end, as a kill leaves it, is none: that result counts on.
 */
const voidPath = (outputPath: string): string => `${outputPath}.part.void`;

const partsOf = (path: string): { readonly outputPath: string; readonly epoch: string } => {
  const [, outputPath, epoch] = /^(.*)\.part\.(\d+)$/.exec(path) ?? [];
  return { outputPath: outputPath ?? path, epoch: epoch ?? "" };
};

/** @param segment path of the segment in which the result lies, at this offset. */
export function voidResult(segment: string, offset: number): void {
  const { outputPath, epoch } = partsOf(segment);
  appendFileSync(voidPath(outputPath), `${epoch} ${offset}\n`, { mode: 0o600, flush: true });
}

/** Offsets of the results in this segment that do not count. */
export function voidedIn(segment: string): ReadonlySet<number> {
  const { outputPath, epoch } = partsOf(segment);
  const path = voidPath(outputPath);
  if (!existsSync(path)) return new Set();
  const lines = readFileSync(path, "latin1").split("\n").slice(0, -1);
  return new Set(lines.filter((line) => line.startsWith(`${epoch} `)).map((line) => Number(line.split(" ")[1])));
}

export function removeVoidResults(outputPath: string): void {
  rmSync(voidPath(outputPath), { force: true });
}
