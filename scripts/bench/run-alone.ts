import { parseArgs } from "node:util";
import type { Figure } from "./figures.ts";

/**
 * Reads `--NAME VALUE` for each default that is text or a number; the others stay as they are.
 * @throws Error for an option that is not there and for a number that is none.
 */
export function readOptions<Options extends object>(defaults: Options, args = process.argv.slice(2)): Options {
  const entries = Object.entries(defaults).filter(([, value]) => ["string", "number"].includes(typeof value));
  const { values } = parseArgs({
    args,
    options: Object.fromEntries(entries.map(([name]) => [name, { type: "string" }])),
  });
  const given = Object.entries(values).map(([name, value]) => {
    if (typeof defaults[name as keyof Options] === "string") return [name, value];
    if (!(Number(value) > 0)) throw new Error(`--${name}: expected a number above 0, found ${value}`);
    return [name, Number(value)];
  });
  return { ...defaults, ...Object.fromEntries(given) };
}

/** @param judged false leaves out whether the goals were reached. Default true. */
export function printFigures(figures: readonly Figure[], judged = true): void {
  for (const { what, figure, goal, met } of figures) {
    const verdict = met === undefined || !judged ? "" : ` · goal ${goal}: ${met ? "reached" : "MISSED"}`;
    console.log(`${what}: ${figure}${verdict}`);
  }
}
