import { type BatchRecord, finalStatuses } from "./batch-record.ts";
import type { Batches } from "./batches.ts";
import type { FileRecord, Files } from "./files.ts";

export interface RetentionOptions {
  readonly batches: Batches;
  readonly files: Files;
  /** Infinity: nothing is ever too old. */
  readonly retentionMs: number;
  /** Told what was removed: nobody should have to guess where it is. */
  readonly onNotice: (line: string) => void;
}

const lookEveryMs = 3_600_000;

/** Removes what has ended long ago, now and every hour. */
export function startRetention(options: RetentionOptions): { close(): void } {
  if (options.retentionMs === Number.POSITIVE_INFINITY) return { close() {} };
  let isLooking = false;
  const look = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    await removeOld(options, Date.now()).catch(() => {});
    isLooking = false;
  };
  void look();
  const looking = setInterval(look, lookEveryMs);
  looking.unref();
  return { close: () => clearInterval(looking) };
}

async function removeOld({ batches, files, retentionMs, onNotice }: RetentionOptions, nowMs: number): Promise<void> {
  const oldestMs = nowMs - retentionMs;
  // Batches first: then fewer are asked whether they read a file.
  const endedLongAgo = batches.list().filter((record) => isFinal(record) && endedAtMs(record) < oldestMs);
  const batchCount = await removeEach(endedLongAgo, (id) => batches.remove(id));
  const read = new Set(batches.list().flatMap((record) => (isFinal(record) ? [] : (record.inputFileId ?? []))));
  const oldFiles = files.list().filter((file) => isTooOld(file, oldestMs) && !read.has(file.id));
  const fileCount = await removeEach(oldFiles, (id) => files.remove(id));
  if (batchCount + fileCount === 0) return;
  const days = Math.round(retentionMs / 8_640_000) / 10;
  onNotice(`removed what was older than ${days} days (serve.retention): batches ${batchCount}, files ${fileCount}`);
}

const isFinal = ({ status }: BatchRecord): boolean => finalStatuses.includes(status);
const endedAtMs = ({ status, reachedAtMs, createdAtMs }: BatchRecord): number => reachedAtMs[status] ?? createdAtMs;
/** One that came with a time of its own goes then. */
const isTooOld = ({ createdAtMs, expiresAtMs }: FileRecord, oldestMs: number): boolean =>
  expiresAtMs === undefined && createdAtMs < oldestMs;

/** How many went: another server of the same directory may have been sooner, or a new batch may read the file. */
async function removeEach(
  old: readonly { readonly id: string }[],
  remove: (id: string) => Promise<void>,
): Promise<number> {
  let count = 0;
  for (const { id } of old) {
    await remove(id).then(
      () => count++,
      () => {},
    );
  }
  return count;
}
