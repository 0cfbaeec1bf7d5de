import { createInterface } from "node:readline/promises";
import { UserError } from "../job/errors.ts";
import { planJson } from "../plan-json.ts";
import { mayCost, type PlanRunOptions, planRun, type RunPlan } from "../plan-run.ts";
import { usd } from "./layout.ts";
import { planLine } from "./plan-text.ts";

export interface AnnounceFlags {
  /** US dollars. */
  readonly confirmAbove: number;
  readonly json: boolean;
}

/**
 * Says what a run would cost before it begins, if it may cost anything, and asks on a terminal when that is much.
 * @throws UserError when the user says no.
 */
export async function announcePlan(options: PlanRunOptions, flags: AnnounceFlags): Promise<RunPlan | undefined> {
  if (!(await mayCost(options))) return undefined;
  const plan = await planRun(options);
  if (plan.left.rows === 0) return undefined;
  if (flags.json) process.stdout.write(`${JSON.stringify({ plan: planJson(plan) })}\n`);
  process.stderr.write(`${planLine(plan)}\n`);
  const { high } = plan.left.costUsd;
  if (high <= flags.confirmAbove || flags.json) return plan;
  const much = `it may cost up to ${usd(high)}, more than --confirm-above $${flags.confirmAbove}`;
  if (process.stdin.isTTY !== true || process.stderr.isTTY !== true) {
    process.stderr.write(`${much}; it goes on, as there is no terminal to ask at\n`);
    return plan;
  }
  if (!(await agrees(`${much}; go on? [y/N] `))) throw new UserError("not confirmed; nothing was sent");
  return plan;
}

async function agrees(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // Ctrl-C and Ctrl-D are a no, too.
    const left = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
    const answer = await Promise.race([terminal.question(question), left]);
    return /^\s*y(es)?\s*$/i.test(answer);
  } finally {
    terminal.close();
  }
}
