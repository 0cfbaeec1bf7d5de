import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
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
  /** Where README.md and docs/ are; default: this project. */
  readonly root?: string;
}

type Kept = Readonly<Record<string, Measured & { readonly measuredAt: Date }>>;

const projectRoot = join(import.meta.dirname, "..", "..");

/**
 * Measures parts one after the other and prints their figures. Each is written into the README's table and
 * `docs/KIND-results/latest.json` as soon as it has ended, so that a run which ends early keeps what it had. Parts that
 * were not repeated keep what was measured of them before. A part that throws does not keep the others from being
 * measured.
 * @throws Error for a part that is not there, before anything is measured; AggregateError for parts that threw.
 */
export async function measureParts({ kind, parts, only, quick, root = projectRoot }: PartsOptions): Promise<void> {
  const names = only.split(",");
  for (const name of names) {
    if (parts[name] === undefined)
      throw new Error(`--only: expected some of ${Object.keys(parts).join(", ")}, found ${name}`);
  }
  const errors: unknown[] = [];
  for (const name of names) {
    try {
      // Not what each call took: thousands of numbers that nobody reads.
      const { figures } = await parts[name]!();
      printFigures(figures, !quick);
      if (!quick) keep(root, kind, parts, name, figures);
    } catch (error) {
      console.error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      errors.push(error);
    }
  }
  if (quick) console.log("\nSmall sizes: the goals are for the full ones, and README.md stays as it is.");
  if (errors.length > 0) throw new AggregateError(errors, `${errors.length} of ${names.length} parts did not end well`);
}

function keep(
  root: string,
  kind: PartsOptions["kind"],
  parts: PartsOptions["parts"],
  name: string,
  figures: readonly Figure[],
): void {
  const results = join(root, "docs", `${kind}-results`);
  const latest = join(results, "latest.json");
  mkdirSync(results, { recursive: true });
  const before = existsSync(latest) ? (JSON.parse(readFileSync(latest, "utf8")).measured as Kept | undefined) : {};
  const all: Kept = { ...before, [name]: { measuredAt: new Date(), figures } };
  const circumstances = circumstancesNow(redisVersion());
  // Whole or not at all: what is in there took hours.
  writeFileSync(`${latest}.new`, `${JSON.stringify({ ...circumstances, measured: all }, null, 2)}\n`);
  renameSync(`${latest}.new`, latest);
  const shown = Object.keys(parts).flatMap((part) => all[part]?.figures ?? []);
  writeTable(root, kind, benchTable(shown, circumstances, `npm run ${kind}`));
}

function redisVersion(): string {
  return /v=(\S+)/.exec(execFileSync("redis-server", ["--version"], { encoding: "utf8" }))?.[1] ?? "unknown";
}

function writeTable(root: string, kind: PartsOptions["kind"], table: string): void {
  const path = join(root, "README.md");
  const changed = withTable(readFileSync(path, "utf8"), table, kind);
  if (changed === undefined) {
    console.log(`\n${path} has no <!-- ${kind}:start --> and <!-- ${kind}:end --> to write between:\n\n${table}`);
    return;
  }
  writeFileSync(path, changed);
  console.log(`\nWrote the table into ${path}`);
}
