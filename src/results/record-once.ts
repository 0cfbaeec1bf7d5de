import type { Redis } from "ioredis";
import type { RowAction, Settlement } from "../job/batch.ts";
import { coalesce } from "../queue/coalesce.ts";
import type { FleetNames } from "../queue/names.ts";
import { redisScript } from "../queue/redis-script.ts";
import { createRecentRecords } from "./forgotten-records.ts";

/** What is said of a row when a call of it, or all that is asked of it, has ended. */
export interface RecordEntry {
  readonly row: number;
  readonly generation: number;
  /** "PROCESS NUMBER" of the call that is settled by this; empty for the owner's own records. */
  readonly call: string;
  readonly action: RowAction;
  /** Of a call with terms. */
  readonly settlement?: Settlement | undefined;
}

/** True when it was done as asked; false when somebody else was first. */
export type Recorder = (batchId: string, entry: RecordEntry) => Promise<boolean>;

/** Which Redis this is, as far as it matters here. */
export interface RecorderIncarnation {
  current(): string;
  /** True while Redis may have come back without what it knew. */
  mayBeRebuilt(): boolean;
  /** Calls back when it has come back as somebody else. */
  on(listener: () => void): void;
}

export const settleScript = new URL("./settle.lua", import.meta.url);

/**
 * Puts the ends of calls on record. A batch that Redis does not know is waited for while it may have come back without
 * what it knew, as its owner sets it again from its files; at other times such a batch has ended long ago.
 */
export function createRecorder(
  redis: Redis,
  names: FleetNames,
  processId: string,
  incarnation: RecorderIncarnation,
  onTrouble: (reason: string | undefined) => void,
): Recorder {
  const recent = createRecentRecords(redis, names);
  incarnation.on(() => void recent.countForgotten(incarnation.current).catch(() => {}));
  const recordScript = new URL("./record.lua", import.meta.url);
  const script = redisScript(redis, recordScript, 6);
  const settlingScript = redisScript(redis, recordScript, 10, [settleScript]);
  const send = coalesce<RecordEntry, boolean>(async (group, entries) => {
    const [batchId, generation] = group.split("/", 2);
    const keys = names.batch(batchId!);
    const keyList = [keys.batch, keys.done, keys.payloads, keys.moves, keys.calls, keys.results];
    const args: (string | number)[] = [generation!];
    const terms = entries[0]!.settlement;
    if (terms !== undefined) args.push(processId, terms.held?.() ?? "");
    for (const entry of entries) {
      args.push(entry.row, entry.call, entry.action.kind, argumentOf(entry.action));
      if (entry.settlement !== undefined) args.push(correctionsOf(entry.settlement), nanoUsdOf(entry.settlement));
    }
    const answers =
      terms === undefined
        ? await script(keyList, args)
        : await settlingScript([...keyList, ...names.ofTerms(batchId!, terms)], args);
    if (answers === null && incarnation.mayBeRebuilt())
      throw new Error("Redis came back without this batch, which is not rebuilt yet");
    const isDone = (at: number): boolean => (answers as number[] | null)?.[at] === 1;
    const recorded = entries.filter(({ action }, at) => action.kind === "record" && isDone(at)).map(({ row }) => row);
    if (recorded.length > 0) recent.note(batchId!, recorded);
    return entries.map((_entry, at) => isDone(at));
  }, onTrouble);
  return (batchId, entry) => {
    const group = `${batchId}/${entry.generation}`;
    const { settlement } = entry;
    return send(settlement === undefined ? group : `${group}/${settlement.tier}/${settlement.scope}`, entry);
  };
}

/** Rounded up: a budget must hold. */
export const nanoUsdOf = ({ costUsd }: Settlement): string =>
  costUsd === undefined ? "" : `${Math.ceil(costUsd * 1e9 - 1e-6)}`;

export function correctionsOf({ ms }: Settlement): string {
  return Object.entries(ms)
    .map(([limit, amount]) => `${limit} ${amount.toFixed(3)}`)
    .join(" ");
}

function argumentOf(action: RowAction): string {
  switch (action.kind) {
    case "record":
      return action.line;
    case "release":
      return `${action.countsAttempt ? "1" : "0"}${action.endUnknown === true ? "?" : ""}`;
    case "withdraw":
      return "";
    case "move":
      return `${action.fromHop}:${action.toPosition}${action.endUnknown === true ? "?" : ""}`;
  }
}
