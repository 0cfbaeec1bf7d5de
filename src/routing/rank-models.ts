import type { ModelConfig, Price, TaskConfig } from "../config/config.ts";

/** What is known of models beside their config. */
export interface ModelFacts {
  readonly isLocal: (model: ModelConfig) => boolean;
  /** Mean time of its answers, as measured by this fleet. */
  readonly latencyMsOf: (alias: string) => number | undefined;
}

export interface RankedModel {
  readonly model: ModelConfig;
  /** Why it stands where it stands. */
  readonly why: string;
}

const free: Price = { inputPerMTok: 0, outputPerMTok: 0 };

/**
 * A task's models in the order in which it prefers them. What is not known (a price, a latency) comes last, in the order
 * of the list: it may be anything. A pure function that says why.
 */
export function rankModels(
  listed: readonly ModelConfig[],
  prefer: TaskConfig["prefer"],
  facts: ModelFacts,
): RankedModel[] {
  switch (prefer) {
    case "listed":
      return listed.map((model, at) => ({ model, why: at === 0 ? "primary" : `fallback ${at}` }));
    case "cheapest":
      return sorted(listed, (model) => {
        const price = model.price ?? (facts.isLocal(model) ? free : undefined);
        return price === undefined
          ? { by: Number.POSITIVE_INFINITY, why: "price unknown, therefore last" }
          : { by: price.inputPerMTok + price.outputPerMTok, why: priceText(price) };
      });
    case "fastest":
      return sorted(listed, ({ alias }) => {
        const latencyMs = facts.latencyMsOf(alias);
        return latencyMs === undefined
          ? { by: Number.POSITIVE_INFINITY, why: "not yet measured, therefore last" }
          : { by: latencyMs, why: `${latencyText(latencyMs)} an answer` };
      });
  }
}

function sorted(
  listed: readonly ModelConfig[],
  rank: (model: ModelConfig) => { readonly by: number; readonly why: string },
): RankedModel[] {
  return listed
    .map((model) => ({ model, ...rank(model) }))
    .toSorted((left, right) => (left.by === right.by ? 0 : left.by - right.by))
    .map(({ model, why }) => ({ model, why }));
}

export function priceText({ inputPerMTok, outputPerMTok }: Price): string {
  if (inputPerMTok === 0 && outputPerMTok === 0) return "free";
  return `$${inputPerMTok} in, $${outputPerMTok} out per million tokens`;
}

function latencyText(latencyMs: number): string {
  return latencyMs < 10_000 ? `${Math.round(latencyMs)} ms` : `${Math.round(latencyMs / 1_000)} s`;
}
