import { setTimeout as sleep } from "node:timers/promises";
import type { Fleet } from "./fleet.ts";
import type { Input } from "./intake/open-input.ts";
import { UserError } from "./job/errors.ts";
import type { ResultLine } from "./job/result.ts";
import type { OwnedBatch } from "./own-batch.ts";
import type { FeedLine } from "./queue/feed.ts";
import type { LineReader } from "./read-lines.ts";
import { voidResult } from "./results/void-results.ts";
import { readLineOf } from "./results/write-output.ts";

export interface RetryOptions {
  readonly fleet: Fleet;
  readonly batchId: string;
  readonly owned: OwnedBatch;
  readonly input: Pick<Input, "readLines" | "lineNumberOf">;
  readonly lines: Pick<LineReader, "read">;
}

const tryAgainMs = 200;

/**
 * Asks a failed row of a batch again, which has other rows to wait for: its result no longer counts, and the row is fed
 * from the input once more, under hops that no job of it has had.
 * @throws UserError with the reason why it is not.
 */
export async function retryRow({ fleet, batchId, owned, input, lines }: RetryOptions, row: number): Promise<void> {
  const { table, segmentPaths, progress, feeder } = owned;

  function failedResult(): { readonly result: ResultLine; readonly segment: string; readonly offset: number } {
    if (owned.state() !== "open") throw refusal("the batch is being ended");
    if (feeder.scannedAll && table.storedCount === table.length) throw refusal("the output of the batch is final");
    if (table.stateOf(row) !== "stored") throw refusal("it has no result yet");
    const { segment: number, offset } = table.storedAt(row);
    const segment = segmentPaths[number]!;
    const result = JSON.parse(readLineOf(segment, offset)) as ResultLine;
    if (result.status === "answered") throw refusal("it was answered");
    return { result, segment, offset };
  }
  const refusal = (why: string) => new UserError(`row ${row} of batch ${batchId} is not asked again: ${why}`);

  failedResult();
  const line = await lineOf(row, input);
  if (line === undefined) throw refusal("the input has no such row");
  const planned = lines.read(line, input.lineNumberOf(row));
  if (!planned.ok) throw refusal(planned.message);
  if (planned.row.votes !== undefined) throw refusal("several models have voted on it");

  // The input was read meanwhile. From here to the feeder all is one turn, and what Redis is told goes before the feed.
  const { result, segment, offset } = failedResult();
  voidResult(segment, offset);
  table.forget(row);
  progress.takeBack(result);
  const forgotten = forgetRecord(fleet, batchId, row);
  feeder.putBack(row, line.offset);
  await forgotten;
}

async function lineOf(row: number, input: RetryOptions["input"]): Promise<FeedLine | undefined> {
  for await (const lines of input.readLines()) {
    const found = lines.find(({ index }) => index === row);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** If Redis takes it only later, the owner's sweep finds the row lost and feeds it again. */
async function forgetRecord(fleet: Fleet, batchId: string, row: number): Promise<void> {
  const keys = fleet.names.batch(batchId);
  // Its earlier hops are forgotten with its record; no job has one as high as the time.
  const hop = Date.now();
  for (;;) {
    try {
      await fleet.redis.multi().setbit(keys.done, row, 0).hset(keys.moves, row, `${hop}:0:0`).exec();
      return;
    } catch {
      await sleep(tryAgainMs);
    }
  }
}
