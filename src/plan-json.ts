import type { RunPlan } from "./plan-run.ts";

/** What `plan --json` and the tool `plan` say. */
export function planJson(plan: RunPlan): Record<string, unknown> {
  const { left, done, unusable, missing } = plan;
  return {
    rows: left.rows,
    unusable,
    done: { rows: done.rows, tokens: done.tokens, cost_usd: done.costUsd },
    input_tokens: left.inputTokens,
    output_tokens: left.outputTokens,
    cost_usd: left.costUsd,
    rows_without_price: left.rowsWithoutPrice,
    seconds: left.seconds,
    groups: left.groups.map(({ group, basis, inputTokens, outputTokens, costUsd }) => ({
      task: group.task,
      model: group.model,
      tier: group.tier,
      rows: group.rows,
      basis,
      input_tokens: inputTokens,
      output_tokens: outputTokens,
      cost_usd: costUsd ?? null,
    })),
    missing,
  };
}
