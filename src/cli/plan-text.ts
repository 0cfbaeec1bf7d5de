import type { RunPlan } from "../plan-run.ts";
import type { GroupEstimate } from "../routing/estimate-run.ts";
import type { Range } from "../routing/range.ts";
import type { RunSummary } from "../run-report.ts";
import { count, hang, table, usd } from "./layout.ts";

/** A model that rows would be sent to first and that does not answer now. */
export interface Unreachable {
  readonly model: string;
  readonly reason: string;
  readonly mend?: string;
}

/** Where the times of calls come from that no answer beside OUTPUT tells. */
export type TimesFrom = "the fleet" | "nowhere";

/** All of a run: what is done already and what is left. */
export function wholeCost({ left, done }: RunPlan): Range {
  return above(left.costUsd, done.costUsd);
}

function wholeTokens({ left, done }: RunPlan): Range {
  const { inputTokens, outputTokens } = left;
  return {
    low: inputTokens.low + outputTokens.low + done.tokens,
    likely: inputTokens.likely + outputTokens.likely + done.tokens,
    high: inputTokens.high + outputTokens.high + done.tokens,
  };
}

const above = ({ low, likely, high }: Range, more: number): Range => ({
  low: low + more,
  likely: likely + more,
  high: high + more,
});

/** The one line with which a run begins that may cost money. */
export function planLine(plan: RunPlan): string {
  const { left } = plan;
  return `plan: ${[
    `${rowsText(left.rows)}${plan.done.rows > 0 ? " left" : ""}`,
    `${tokens(left.inputTokens)} tokens in, ${tokens(left.outputTokens)} out`,
    costText(plan),
    between(left.seconds, duration),
  ].join(" · ")} (${basisText(left.groups)})`;
}

function costText({ left: { costUsd, groups, rowsWithoutPrice } }: RunPlan): string {
  if (rowsWithoutPrice === 0) return between(costUsd, usd);
  const unknown = `${rowsText(rowsWithoutPrice)} to models whose price nobody knows`;
  return groups.every((group) => group.costUsd === undefined) ? unknown : `${between(costUsd, usd)} and ${unknown}`;
}

function basisText(groups: readonly GroupEstimate[]): string {
  const rowsOf = (...wanted: string[]): number =>
    groups.reduce((rows, { basis, group }) => rows + (wanted.includes(basis) ? group.rows : 0), 0);
  const [guessed, known] = [rowsOf("guessed"), rowsOf("measured", "similar")];
  if (guessed === 0) return "90 %, by the answers there are";
  if (known === 0) return "guessed by rules of thumb, as no answer was seen";
  return `90 % by the answers there are, for ${rowsText(guessed)} guessed by rules of thumb`;
}

function timeText(groups: readonly GroupEstimate[], timesFrom: TimesFrom): string {
  if (groups.every(({ basis }) => basis !== "guessed")) return "by the answers there are";
  return timesFrom === "the fleet"
    ? "by what the fleet has measured of these models, else guessed"
    : "guessed: no Redis runs that knows how fast models answer";
}

/** What `plan` shows to people. */
export function planLines(
  plan: RunPlan,
  unreachable: readonly Unreachable[],
  timesFrom: TimesFrom,
  width: number,
): string[] {
  const { left, done, unusable, missing } = plan;
  const isMixed = new Set(left.groups.map(({ basis }) => basis)).size > 1;
  const groups = left.groups
    .toSorted((one, other) => other.group.rows - one.group.rows)
    .map((one) => [
      one.group.task ?? "-",
      one.group.model,
      one.group.tier,
      one.group.need === undefined ? count(one.group.rows) : `up to ${count(one.group.rows)}`,
      amount(one.inputTokens.likely),
      amount(one.outputTokens.likely),
      (one.costUsd === undefined ? "price unknown" : between(one.costUsd, usd)) + (isMixed ? ` · ${one.basis}` : ""),
    ]);
  const facts: [string, string][] = [
    ["rows", `${count(left.rows)}${done.rows > 0 ? ` left, ${count(done.rows)} done` : ""}`],
    ["tokens", `${tokens(left.inputTokens)} in, ${tokens(left.outputTokens)} out`],
    ["cost", `${costText(plan)}${done.costUsd > 0 ? `, beside ${usd(done.costUsd)} spent` : ""}`],
    ["time", `${between(left.seconds, duration)}, ${timeText(left.groups, timesFrom)}`],
    ["ranges", basisText(left.groups)],
  ];
  if (unusable > 0) facts.push(["unusable", `${rowsText(unusable)}, to fail without being sent`]);
  return [
    ...(groups.length > 0 ? [...table([header, ...groups], width), ""] : []),
    ...facts.flatMap(([name, text]) => hang(`  ${name.padEnd(10)}`, text, width)),
    ...missing.flatMap(({ model, reason, rows }) =>
      hang("  missing   ", `${model}, in the route of ${rowsText(rows)}: ${reason}`, width),
    ),
    ...unreachable.flatMap(({ model, reason, mend }) =>
      hang("  waits for ", `${model}: ${reason}${mend === undefined ? "" : `; ${mend}`}`, width),
    ),
  ];
}

const header = ["task", "model", "tier", "rows", "tokens in", "tokens out", "cost"];

/** After a run: what was planned against what it came to. */
export function againstPlan(plan: RunPlan, { cost_usd, by_model, wall_s }: RunSummary): string {
  const real = Object.values(by_model as Record<string, { input_tokens: number; output_tokens: number }>).reduce(
    (sum, { input_tokens, output_tokens }) => sum + input_tokens + output_tokens,
    0,
  );
  const planned = `${between(wholeCost(plan), usd)} and ${tokens(wholeTokens(plan))} tokens in ${between(plan.left.seconds, duration)}`;
  return `  planned: ${planned}; it took ${usd(cost_usd)} and ${amount(real)} in ${duration(wall_s)}`;
}

const rowsText = (rows: number): string => `${count(rows)} ${rows === 1 ? "row" : "rows"}`;

/** Two digits say enough of an estimate. */
function amount(tokens: number): string {
  if (tokens < 1_000) return String(Math.round(tokens));
  const [value, unit] = tokens < 999_500 ? [tokens / 1e3, "k"] : [tokens / 1e6, "M"];
  return `${value < 99.5 ? Number(value.toPrecision(2)) : count(Math.round(value))} ${unit}`;
}

function duration(seconds: number): string {
  if (seconds < 10) return `${Number(seconds.toPrecision(1))} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  return `${Number((seconds / 3_600).toPrecision(2))} h`;
}

const tokens = (range: Range): string => between(range, amount);

function between({ low, likely, high }: Range, text: (value: number) => string): string {
  const [least, middle, most] = [text(low), text(likely), text(high)];
  return least === most ? middle : `${middle} (${least} to ${most})`;
}
