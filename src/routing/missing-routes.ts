import type { FailedRoute } from "./choose-model.ts";

interface MissingGroup {
  readonly route: FailedRoute;
  rows: number;
}

/** Counts the rows that have no route, by task and by what is missing, for the message with which `run` stops. */
export interface MissingRoutes {
  add(route: FailedRoute): void;
  rows(): number;
  /** What is missing and how to mend it, on several lines. */
  message(): string;
}

export function createMissingRoutes(): MissingRoutes {
  const groups = new Map<string, MissingGroup>();
  return {
    add(route) {
      const key = JSON.stringify([route.task, route.skipped]);
      const group = groups.get(key);
      if (group) group.rows++;
      else groups.set(key, { route, rows: 1 });
    },
    rows: () => sumRows(groups.values()),
    message: () => describe([...groups.values()]),
  };
}

function sumRows(groups: Iterable<MissingGroup>): number {
  let rows = 0;
  for (const group of groups) rows += group.rows;
  return rows;
}

function rowsText(rows: number): string {
  return rows === 1 ? "1 row" : `${rows} rows`;
}

function describe(groups: readonly MissingGroup[]): string {
  const rows = sumRows(groups);
  const lines = [`${rowsText(rows)} ${rows === 1 ? "has" : "have"} no model that can be used; nothing was sent.`];
  for (const { route, rows } of groups.toSorted((left, right) => right.rows - left.rows)) {
    lines.push(`  ${route.task === null ? "without a task" : `task ${route.task}`} (${rowsText(rows)}):`);
    for (const { alias, reason } of route.skipped) lines.push(`    ${alias}: ${reason}`);
  }
  const reasons = groups.flatMap(({ route }) => route.skipped.map(({ reason }) => reason));
  const keys = [...new Set(reasons.flatMap((reason) => /^(\w+) is not set/.exec(reason)?.[1] ?? []))];
  lines.push("To mend it:");
  if (keys.length > 0) {
    lines.push(
      `  - put ${keys.join(" and ")} into the environment or ~/.config/promptfleet/env (template: config/env.template)`,
    );
  }
  lines.push(
    "  - or name a model for rows that name none: --model ollama/llama3.2, or --base-url URL --model ID",
    '  - or give these tasks a route of your own in ./promptfleet.json ("extends": "default")',
    "  - or send nothing for these rows until that is done: --wait",
  );
  return lines.join("\n");
}
