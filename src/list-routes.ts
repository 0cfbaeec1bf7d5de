import type { Input } from "./intake/open-input.ts";
import type { RowParser } from "./intake/parse-row.ts";
import type { RoutePlan, Router } from "./routing/choose-model.ts";
import { type RuleFinder, routesOfVotes, type VotedRow } from "./routing/expand-votes.ts";

/** The routes of all rows of an input; those that name nothing of their own are looked at once. */
export type RouteLister = () => AsyncIterable<RoutePlan>;

export function createRouteLister(input: Input, parse: RowParser, route: Router, ruleOf: RuleFinder): RouteLister {
  return async function* () {
    const plain = routesOfRow({ private: false }, route, ruleOf);
    const plainRowsHaveRoutes = plain.every((plan) => plan.ok || plan.kind !== "no-route");
    if (plainRowsHaveRoutes) yield* plain;
    for await (const lines of input.readLines()) {
      for (const line of lines) {
        if (plainRowsHaveRoutes && !mayNameItsRoute(line.bytes)) continue;
        const parsed = parse(line.bytes, input.lineNumberOf(line.index));
        if (parsed.ok) yield* routesOfRow(parsed.row, route, ruleOf);
      }
    }
  };
}

/** The route of a row, or of each model that it is put to. */
export function routesOfRow(row: VotedRow, route: Router, ruleOf: RuleFinder): RoutePlan[] {
  const found = ruleOf(row);
  if (found === undefined) return [route(row)];
  const { plans, others } = routesOfVotes(found, row, route);
  return [...plans, ...others.filter((plan) => plan !== undefined)];
}

/** Whether a line can be more than a plain row of the default route; a look at its bytes, as most lines are not. */
export function mayNameItsRoute(line: Buffer): boolean {
  return routingFields.test(line.toString("latin1"));
}

const routingFields = /"task"|"model"|"private"|"consensus"|\\u/;
