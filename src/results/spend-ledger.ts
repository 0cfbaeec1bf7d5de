import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Redis } from "ioredis";
import type { Config } from "../config/config.ts";
import { type FolderWatch, watchFolder } from "../config/folder-watch.ts";
import type { FleetNames } from "../queue/names.ts";
import { redisScript } from "../queue/redis-script.ts";

/** What a tier has spent on a day. */
interface DaySpend {
  /** Since 1970, by Redis' clock. */
  readonly day: number;
  /** Billionths of a dollar. */
  readonly spent: number;
  readonly reserved: number;
}

export interface SpendLedger {
  /** Writes down what Redis knows of today, and tells Redis what it has forgotten. */
  sync(): Promise<void>;
}

/** Of all tiers of a config that have a budget of a day; without a directory nothing is written down. */
export function openSpendLedger(
  redis: Redis,
  names: FleetNames,
  { tiers }: Pick<Config, "tiers">,
  directory: string | undefined,
): SpendLedger {
  const daily = Object.keys(tiers).filter((tier) => tiers[tier]?.dailyBudgetUsd !== undefined);
  return createSpendLedger(redis, names, directory === undefined ? [] : daily, directory ?? "");
}

/**
 * What tiers with a budget of a day have spent, in a file for each beside Redis: after both have lost it nobody could
 * say what is left. Where a file cannot be read Redis is told nothing, and the tier waits.
 */
export function createSpendLedger(
  redis: Redis,
  names: FleetNames,
  tiers: readonly string[],
  directory: string,
): SpendLedger {
  const script = redisScript(redis, new URL("./spend-ledger.lua", import.meta.url), 1);
  const written = new Map<string, string>();
  let disk: FolderWatch | undefined;

  async function syncTier(tier: string): Promise<void> {
    const path = join(directory, `${encodeURIComponent(names.queuePrefix)}-${tier}.json`);
    const file = readDay(path);
    const reply = await script([names.spend(tier)], [file?.day ?? "", file?.spent ?? 0, file?.reserved ?? 0]);
    const [day, spent, reserved] = (reply as string[]).map(Number) as [number, number, number];
    const text = `${JSON.stringify({ day, spent, reserved } satisfies DaySpend)}\n`;
    if (written.get(tier) === text) return;
    const gone = disk?.look();
    if (gone !== undefined) throw new Error(gone);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    disk ??= watchFolder(directory);
    writeFileSync(`${path}.${process.pid}.tmp`, text, { mode: 0o600 });
    renameSync(`${path}.${process.pid}.tmp`, path);
    written.set(tier, text);
  }

  return {
    async sync() {
      for (const tier of tiers) await syncTier(tier);
    },
  };
}

/** @throws when there is a file that cannot be read. */
function readDay(path: string): DaySpend | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const day = JSON.parse(text) as DaySpend;
  if (typeof day.day !== "number" || typeof day.spent !== "number" || typeof day.reserved !== "number")
    throw new Error(`${path} is no ledger`);
  return day;
}
