import type { Usage } from "../job/outcome.ts";
import type { Price } from "./config.ts";

/** USD of one call; 0 without a price. Cached input costs its own price where there is one, else that of input. */
export function costUsdOf(usage: Usage, price: Price | undefined): number {
  if (price === undefined) return 0;
  const cachedPrice = price.cachedInputPerMTok ?? price.inputPerMTok;
  const uncached = Math.max(0, usage.inputTokens - usage.cachedTokens);
  const perMillion =
    uncached * price.inputPerMTok + usage.cachedTokens * cachedPrice + usage.outputTokens * price.outputPerMTok;
  return perMillion / 1_000_000;
}
