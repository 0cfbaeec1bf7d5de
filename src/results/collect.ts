import { setTimeout as sleep } from "node:timers/promises";
import type { Redis } from "ioredis";
import type { Recorded } from "./segments.ts";

export interface CollectOptions {
  /** A connection of its own: it blocks. */
  readonly blocking: Redis;
  readonly stream: string;
  /** Puts a group where it is safe; only then is it dropped from Redis. May wait as long as it takes. */
  readonly store: (group: readonly Recorded[]) => Promise<void>;
  /** Drops entries before this id; throws when another process owns the batch by now. */
  readonly trim: (firstToKeep: string) => Promise<void>;
  /** Groups are at least this far apart unless full, so that one sync to disk serves many rows. Default 20. */
  readonly groupIntervalMs?: number | undefined;
}

export interface Collector {
  /** Runs until `finish()`; rejects with what `store` or `trim` threw. */
  run(): Promise<void>;
  /** Begins again at the head of the stream: Redis came back as somebody else. */
  rewind(): void;
  /** Collects what is in the stream and then ends. */
  finish(): void;
}

/** Entries of the stream in one group; each holds the results of one call of record.lua. */
const groupMost = 64;
const blockMs = 500;

type StreamReply = [string, [string, string[]][]][] | null;

/** Takes recorded results out of the batch's stream in groups: read, store, then trim. */
export function createCollector({ blocking, stream, store, trim, groupIntervalMs = 20 }: CollectOptions): Collector {
  let lastId = "0-0";
  let rewinds = 0;
  let finishing = false;

  async function run(): Promise<void> {
    let lastGroupMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      const isLast = finishing;
      const rewindsBefore = rewinds;
      const reply = await readGroup(isLast);
      if (reply.length > 0) {
        await store(reply.flatMap(([, fields]) => recordedIn(fields)));
        // After a rewind the stream is read again from its head; what is stored already is recognised by its row.
        if (rewinds === rewindsBefore) {
          lastId = reply.at(-1)![0];
          await trim(nextId(lastId));
        }
      } else if (isLast) {
        return;
      }
      const waitMs = lastGroupMs + groupIntervalMs - performance.now();
      if (waitMs > 0 && !finishing && reply.length < groupMost) await sleep(waitMs);
      lastGroupMs = performance.now();
    }
  }

  async function readGroup(isLast: boolean): Promise<[string, string[]][]> {
    try {
      const reply = (isLast
        ? await blocking.xread("COUNT", groupMost, "STREAMS", stream, lastId)
        : await blocking.xread(
            "COUNT",
            groupMost,
            "BLOCK",
            blockMs,
            "STREAMS",
            stream,
            lastId,
          )) as unknown as StreamReply;
      return reply?.[0]?.[1] ?? [];
    } catch {
      // LOADING, a lost connection: the stream is still there, or its owner rebuilds it.
      await sleep(200);
      return [];
    }
  }

  return {
    run,
    rewind() {
      lastId = "0-0";
      rewinds++;
    },
    finish() {
      finishing = true;
    },
  };
}

/** An entry's fields are rows, their values the result lines. */
function recordedIn(fields: readonly string[]): Recorded[] {
  const recorded: Recorded[] = [];
  for (let at = 0; at < fields.length; at += 2) recorded.push({ row: Number(fields[at]), line: fields[at + 1]! });
  return recorded;
}

function nextId(id: string): string {
  const [time, sequence] = id.split("-");
  return `${time}-${Number(sequence) + 1}`;
}
