import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Webhook } from "standardwebhooks";
import type { EventPoster, PostEnd } from "../../workers/post-event.ts";
import { messageOf } from "../job/errors.ts";
import { takeLock } from "../queue/lock-file.ts";
import type { ServeEvent } from "./webhook-events.ts";

/** Events on their way: on disk until they are delivered or given up, so that they survive a restart. */
export interface WebhookOutbox {
  /** On disk when it returns; the same event once more changes nothing while it is on its way. */
  add(url: string, event: ServeEvent): void;
  close(): Promise<void>;
}

interface Delivery extends ServeEvent {
  readonly url: string;
  readonly tries: number;
  readonly nextAtMs: number;
}

/** After each try in vain the next comes this much later: ten tries over about sixteen hours. */
export const retryDelaysMs = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800].map((seconds) => seconds * 1_000);
const mostAtOnce = 8;
const lookEveryMs = 1_000;

export interface OutboxOptions {
  readonly directory: string;
  readonly poster: EventPoster;
  readonly secret: () => Promise<Webhook>;
  readonly onNotice: (line: string) => void;
  /** Default: `retryDelaysMs`. */
  readonly delaysMs?: readonly number[];
}

export function openWebhookOutbox(options: OutboxOptions): WebhookOutbox {
  const { directory, poster, onNotice, delaysMs = retryDelaysMs } = options;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const underWay = new Map<string, Promise<void>>();
  const pathOf = (id: string) => join(directory, `${id}.json`);
  let lock: ReturnType<typeof takeLock> | undefined;
  let closing = false;

  function write(delivery: Delivery): void {
    const path = pathOf(delivery.id);
    writeFileSync(`${path}.${process.pid}.tmp`, JSON.stringify(delivery), { mode: 0o600, flush: true });
    renameSync(`${path}.${process.pid}.tmp`, path);
  }

  async function send({ id, url, body }: Delivery): Promise<PostEnd> {
    const now = new Date();
    const webhook = await options.secret();
    const headers = {
      "content-type": "application/json",
      "user-agent": "promptfleet",
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(now.getTime() / 1_000)),
      "webhook-signature": webhook.sign(id, now, body),
    };
    return poster.post(url, headers, body);
  }

  async function deliver(delivery: Delivery): Promise<void> {
    const { id, type, url, tries } = delivery;
    const end = await send(delivery).catch((error): PostEnd => ({ kind: "failed", message: messageOf(error) }));
    if (closing && end.kind !== "delivered") return;
    const delayMs = delaysMs[tries];
    const to = `webhook ${type} to ${new URL(url).host}`;
    if (end.kind === "failed" && delayMs !== undefined) {
      if (tries === 0) onNotice(`${to}: ${end.message}; it is sent again`);
      write({ ...delivery, tries: tries + 1, nextAtMs: Date.now() + delayMs * (0.9 + 0.2 * Math.random()) });
      return;
    }
    if (end.kind !== "delivered") onNotice(`${to} is given up (${tries + 1} tries): ${end.message}`);
    rmSync(pathOf(id), { force: true });
  }

  /** One process sends for all servers of the directory. */
  function isSender(): boolean {
    if (lock?.held !== true) lock = takeLock(join(directory, "sender.lock"));
    return lock.held;
  }

  function look(): void {
    if (closing) return;
    try {
      const names = readdirSync(directory).filter((name) => name.endsWith(".json"));
      if (names.length > 0 && isSender()) deliverDue(names);
    } catch {
      // The disk is full or away: the next look may find it.
    }
  }

  function deliverDue(names: readonly string[]): void {
    for (const name of names) {
      const id = name.slice(0, -".json".length);
      if (underWay.has(id) || underWay.size >= mostAtOnce) continue;
      const delivery = readDelivery(pathOf(id));
      if (delivery === undefined || delivery.nextAtMs > Date.now()) continue;
      // What cannot be written down (a full disk) is due again at the next look.
      const ended = deliver(delivery).catch(() => {});
      underWay.set(
        id,
        ended.then(() => void underWay.delete(id)),
      );
    }
  }
  const looking = setInterval(look, lookEveryMs);
  looking.unref();
  look();

  return {
    add(url, event) {
      if (readDelivery(pathOf(event.id)) === undefined) write({ ...event, url, tries: 0, nextAtMs: 0 });
      look();
    },
    async close() {
      closing = true;
      clearInterval(looking);
      await poster.close();
      await Promise.all(underWay.values());
      if (lock?.held === true) lock.release();
    },
  };
}

/** Undefined for one that is not there, or that nobody can read any more. */
function readDelivery(path: string): Delivery | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Delivery;
  } catch {
    return undefined;
  }
}
