import type { Redis } from "ioredis";
import type { RowAction } from "../job/batch.ts";
import { coalesce } from "../queue/coalesce.ts";
import type { FleetNames } from "../queue/names.ts";
import { redisScript } from "../queue/redis-script.ts";

/** What is said of a row when a call of it, or all that is asked of it, has ended. */
export interface RecordEntry {
  readonly row: number;
  readonly generation: number;
  /** "PROCESS NUMBER" of the call that is settled by this; empty for the owner's own records. */
  readonly call: string;
  readonly action: RowAction;
}

/** True when it was done as asked; false when somebody else was first. */
export type Recorder = (batchId: string, entry: RecordEntry) => Promise<boolean>;

/**
 * @param mayBeRebuilt true while Redis may have come back without what it knew: a batch that it does not know is waited
 *   for then, as its owner sets it again from its files. At other times such a batch has ended long ago.
 */
export function createRecorder(
  redis: Redis,
  names: FleetNames,
  mayBeRebuilt: () => boolean,
  onTrouble: (reason: string | undefined) => void,
): Recorder {
  const script = redisScript(redis, new URL("./record.lua", import.meta.url), 6);
  const send = coalesce<RecordEntry, boolean>(async (batchAndGeneration, entries) => {
    const [batchId, generation] = batchAndGeneration.split("/");
    const keys = names.batch(batchId!);
    const args: (string | number)[] = [generation!];
    for (const entry of entries) args.push(entry.row, entry.call, entry.action.kind, argumentOf(entry.action));
    const answers = await script([keys.batch, keys.done, keys.payloads, keys.moves, keys.calls, keys.results], args);
    if (answers === null && mayBeRebuilt())
      throw new Error("Redis came back without this batch, which is not rebuilt yet");
    return entries.map((_entry, at) => (answers as number[] | null)?.[at] === 1);
  }, onTrouble);
  return (batchId, entry) => send(`${batchId}/${entry.generation}`, entry);
}

function argumentOf(action: RowAction): string {
  switch (action.kind) {
    case "record":
      return action.line;
    case "release":
      return action.countsAttempt ? "1" : "0";
    case "move":
      return `${action.fromHop}:${action.toPosition}`;
  }
}
