import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const lookEveryMs = 5;

/** Waits, from now on, for the first byte in one of the segments `OUTPUT.part.N` in a directory. */
export function watchFirstAnswer(
  directory: string,
  outputName: string,
): {
  /** Milliseconds from the beginning to that byte. @throws Error when there was none yet. */
  afterMs(): number;
  stop(): void;
} {
  const startedMs = performance.now();
  const isSegment = new RegExp(`^${outputName.replaceAll(".", "\\.")}\\.part\\.\\d+$`);
  let foundMs: number | undefined;
  const timer = setInterval(() => {
    for (const name of readdirSync(directory)) {
      if (!isSegment.test(name) || sizeOf(join(directory, name)) === 0) continue;
      foundMs = performance.now();
      clearInterval(timer);
      return;
    }
  }, lookEveryMs);
  return {
    afterMs() {
      if (foundMs === undefined) throw new Error(`no segment of ${outputName} had a byte while it was watched`);
      return foundMs - startedMs;
    },
    stop: () => clearInterval(timer),
  };
}

/** 0 when the file has gone meanwhile. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
