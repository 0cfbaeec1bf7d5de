import type { Redis } from "ioredis";
import { readIncarnation } from "./connection.ts";

/** What Redis is known to be: it may come back as somebody else, who does not know what it knew. */
export interface IncarnationWatch {
  /** "" until a server that was away has said who it is: it may come back without what it knew. */
  current(): string;
  /** It is away, or came back as another one a short while ago: what it does not know may yet be set again. */
  mayBeRebuilt(): boolean;
  on(listener: (incarnation: string) => void): void;
  off(listener: (incarnation: string) => void): void;
}

/** An owner that lives has rebuilt its batch by then, after Redis came back empty. */
const rebuildDeadlineMs = 30_000;

/**
 * @param onReady told when Redis is there again.
 * @param onChange told of another incarnation, before the listeners are.
 */
export async function watchIncarnation(
  redis: Redis,
  events: { readonly onAway: () => void; readonly onReady: () => void; readonly onChange: () => Promise<void> },
): Promise<IncarnationWatch> {
  let incarnation = await readIncarnation(redis);
  let lastIncarnation = incarnation;
  let changedAtMs = Number.NEGATIVE_INFINITY;
  const listeners = new Set<(incarnation: string) => void>();
  redis.on("ready", async () => {
    const found = await readIncarnation(redis).catch(() => undefined);
    events.onReady();
    if (found === undefined) return;
    incarnation = found;
    if (found === lastIncarnation) return;
    lastIncarnation = found;
    changedAtMs = performance.now();
    await events.onChange().catch(() => {});
    for (const listener of listeners) listener(found);
  });
  redis.on("close", () => {
    incarnation = "";
    events.onAway();
  });
  return {
    current: () => incarnation,
    mayBeRebuilt: () => incarnation === "" || performance.now() - changedAtMs < rebuildDeadlineMs,
    on: (listener) => void listeners.add(listener),
    off: (listener) => void listeners.delete(listener),
  };
}
