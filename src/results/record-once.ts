import type { Redis } from "ioredis";
import type { PaceCorrection, RowAction } from "../job/batch.ts";
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
  /** Of a call with limits. */
  readonly pace?: PaceCorrection | undefined;
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
  const recordScript = new URL("./record.lua", import.meta.url);
  const script = redisScript(redis, recordScript, 6);
  const pacedScript = redisScript(redis, recordScript, 7);
  const send = coalesce<RecordEntry, boolean>(async (group, entries) => {
    const [batchId, generation] = group.split("/", 2);
    const keys = names.batch(batchId!);
    const keyList = [keys.batch, keys.done, keys.payloads, keys.moves, keys.calls, keys.results];
    const args: (string | number)[] = [generation!];
    const scope = entries[0]!.pace?.scope;
    for (const entry of entries) {
      args.push(entry.row, entry.call, entry.action.kind, argumentOf(entry.action));
      if (entry.pace !== undefined) args.push(correctionsOf(entry.pace));
    }
    const answers =
      scope === undefined ? await script(keyList, args) : await pacedScript([...keyList, names.pace(scope)], args);
    if (answers === null && mayBeRebuilt())
      throw new Error("Redis came back without this batch, which is not rebuilt yet");
    return entries.map((_entry, at) => (answers as number[] | null)?.[at] === 1);
  }, onTrouble);
  return (batchId, entry) => {
    const group = `${batchId}/${entry.generation}`;
    return send(entry.pace === undefined ? group : `${group}/${entry.pace.scope}`, entry);
  };
}

function correctionsOf({ ms }: PaceCorrection): string {
  return Object.entries(ms)
    .map(([limit, amount]) => `${limit} ${amount.toFixed(3)}`)
    .join(" ");
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
