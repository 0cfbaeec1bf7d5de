import { resolve } from "node:path";
import type { Redis } from "ioredis";
import type { FleetNames } from "../queue/names.ts";
import { type AuditChain, type AuditOptions, openAudit } from "./audit.ts";
import type { AuditHead } from "./audit-lines.ts";

/** A head in Redis: which data directory of which machine it is of. */
export interface PublishedHead extends AuditHead {
  readonly machine: string;
  readonly directory: string;
}

/** The chain of this process, with its head in Redis and those of others in it. */
export interface AuditTrail extends Pick<AuditChain, "note" | "head"> {
  close(): Promise<void>;
}

const publishEveryMs = 500;
const witnessEveryMs = 60_000;
const keptSeconds = 30 * 86_400;

/** Undefined where no audit is kept. */
export function openAuditTrail(
  options: Omit<AuditOptions, "directory"> & {
    readonly directory: string | undefined;
    readonly redis: Redis;
    readonly names: FleetNames;
  },
): AuditTrail | undefined {
  const { directory, redis, names, processId, identity } = options;
  if (directory === undefined) return undefined;
  const chain = openAudit({ ...options, directory });
  const place = { machine: identity.host, directory: resolve(directory) };
  const witnessed = new Map<string, number>();
  let published = 0;

  async function publish(): Promise<void> {
    const head = chain.head();
    if (head === undefined || head.seal === published || redis.status !== "ready") return;
    const key = names.auditHeads(head.chain.slice(0, head.chain.indexOf("/")));
    await redis.hset(key, processId, JSON.stringify({ ...head, ...place }));
    await redis.expire(key, keptSeconds);
    published = head.seal;
  }

  async function witness(): Promise<void> {
    const day = chain.head()?.chain.slice(0, 10);
    if (day === undefined || redis.status !== "ready") return;
    const others = Object.values(await redis.hgetall(names.auditHeads(day)))
      .map((json) => JSON.parse(json) as PublishedHead)
      .filter(({ chain: name, seal }) => !name.endsWith(`/${processId}`) && witnessed.get(name) !== seal);
    for (const { chain: name, seal } of others) witnessed.set(name, seal);
    chain.witness(others);
  }

  const timers = [
    setInterval(() => void publish().catch(() => {}), publishEveryMs),
    setInterval(() => void witness().catch(() => {}), witnessEveryMs),
  ];
  for (const timer of timers) timer.unref();
  return {
    note: chain.note,
    head: chain.head,
    async close() {
      for (const timer of timers) clearInterval(timer);
      chain.close();
      await publish().catch(() => {});
    },
  };
}

/** The heads that Redis knows of the last thirty days, of one machine's data directory. */
export async function readPublishedHeads(
  redis: Redis,
  names: FleetNames,
  place: { readonly machine: string; readonly directory: string },
  now = new Date(),
): Promise<AuditHead[]> {
  const found: AuditHead[] = [];
  for (let daysAgo = 0; daysAgo <= 30; daysAgo++) {
    const day = new Date(now.getTime() - daysAgo * 86_400_000).toISOString().slice(0, 10);
    for (const json of Object.values(await redis.hgetall(names.auditHeads(day)))) {
      const { machine, directory, ...head } = JSON.parse(json) as PublishedHead;
      if (machine === place.machine && directory === resolve(place.directory)) found.push(head);
    }
  }
  return found;
}
