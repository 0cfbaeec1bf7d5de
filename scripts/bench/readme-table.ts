import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import type { Figure } from "./figures.ts";

export interface Circumstances {
  readonly date: Date;
  /** Cores, processor, memory, system. */
  readonly machine: string;
  readonly nodeVersion: string;
  readonly redisVersion: string;
}

export function circumstancesNow(redisVersion: string): Circumstances {
  return {
    date: new Date(),
    machine: `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? "unknown"}), ${Math.round(totalmem() / 1024 ** 3)} GB, ${type()} ${release()}`,
    nodeVersion: process.versions.node,
    redisVersion,
  };
}

/** A table of the README, in Markdown. @param command what measures again. */
export function benchTable(
  figures: readonly Figure[],
  circumstances: Circumstances,
  command = "npm run bench",
): string {
  const { date, machine, nodeVersion, redisVersion } = circumstances;
  const rows = figures.map(({ what, figure, goal, met }) => {
    const verdict = met === false ? ` (goal ${goal}: missed)` : goal === "" ? "" : ` (goal ${goal})`;
    return `| ${what} | ${figure}${verdict} |`;
  });
  return [
    `Measured on ${date.toISOString().slice(0, 10)} against a **simulated server** on the same machine: ${machine}, Node ${nodeVersion}, Redis ${redisVersion}. \`${command}\` measures again and writes this table.`,
    "",
    "| what | measured |",
    "|---|---|",
    ...rows,
  ].join("\n");
}

/** The README with the table between its marks replaced, or undefined when it has no such marks. */
export function withTable(readme: string, table: string, mark: "bench" | "chaos" = "bench"): string | undefined {
  const [startMark, endMark] = [`<!-- ${mark}:start -->`, `<!-- ${mark}:end -->`];
  const start = readme.indexOf(startMark);
  const end = readme.indexOf(endMark);
  if (start === -1 || end < start) return undefined;
  return `${readme.slice(0, start + startMark.length)}\n${table}\n${readme.slice(end)}`;
}
