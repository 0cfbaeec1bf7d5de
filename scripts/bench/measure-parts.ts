import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Figure } from "./figures.ts";
import { benchTable, circumstancesNow, withTable } from "./readme-table.ts";
import { printFigures } from "./run-alone.ts";

export interface Measured {
  readonly figures: readonly Figure[];
}

export interface PartsOptions {
  /** Names the marks in the README and the folder of the results. */
  readonly kind: "bench" | "chaos";
  /** In the order of the table. */
  readonly parts: Readonly<Record<string, () => Promise<Measured>>>;
  /** Some of the parts, by commas. */
  readonly only: string;
  /** Small sizes: the goals do not count, and nothing is written. */
  readonly quick: boolean;
}

const root = join(import.meta.dirname, "..", "..");

/**
 * Measures parts one after the other, prints their figures, and writes them into the README's table and
 * `docs/KIND-results/latest.json`. Parts that were not repeated keep what was measured of them before.
 * @throws Error for a part that is not there.
 */
export async function measureParts({ kind, parts, only, quick }: PartsOptions): Promise<void> {
  const names = only.split(",");
  for (const name of names) {
    if (parts[name] === undefined)
      throw new Error(`--only: expected some of ${Object.keys(parts).join(", ")}, found ${name}`);
  }
  const measured: Record<string, Measured & { readonly measuredAt: Date }> = {};
  for (const name of names) {
    // Not what each call took: thousands of numbers that nobody reads.
    const { figures } = await parts[name]!();
    measured[name] = { measuredAt: new Date(), figures };
    printFigures(figures, !quick);
  }
  if (quick) {
    console.log("\nSmall sizes: the goals are for the full ones, and README.md stays as it is.");
    return;
  }
  const results = join(root, "docs", `${kind}-results`);
  const latest = join(results, "latest.json");
  mkdirSync(results, { recursive: true });
  const before = existsSync(latest)
    ? (JSON.parse(readFileSync(latest, "utf8")).measured as typeof measured | undefined)
    : {};
  const all = { ...before, ...measured };
  const circumstances = circumstancesNow(redisVersion());
  writeFileSync(latest, `${JSON.stringify({ ...circumstances, measured: all }, null, 2)}\n`);
  const figures = Object.keys(parts).flatMap((name) => all[name]?.figures ?? []);
  writeTable(kind, benchTable(figures, circumstances, `npm run ${kind}`));
}

function redisVersion(): string {
  return /v=(\S+)/.exec(execFileSync("redis-server", ["--version"], { encoding: "utf8" }))?.[1] ?? "unknown";
}

function writeTable(kind: PartsOptions["kind"], table: string): void {
  const path = join(root, "README.md");
  const changed = withTable(readFileSync(path, "utf8"), table, kind);
  if (changed === undefined) {
    console.log(`\n${path} has no <!-- ${kind}:start --> and <!-- ${kind}:end --> to write between:\n\n${table}`);
    return;
  }
  writeFileSync(path, changed);
  console.log(`\nWrote the table into ${path}`);
}
