import type { Config, ModelConfig, Provider } from "../config/config.ts";
import { mendModel } from "../config/mend.ts";
import type { TierLook } from "./look-at-tier.ts";

/** A model of the registry: whether a row could be sent to it now. */
export interface ModelLook {
  readonly alias: string;
  readonly usable: boolean;
  readonly reason?: string;
  readonly mend?: string;
  /** The id that "auto" means there now. */
  readonly meant?: string;
}

/** Servers that list everything they take; others take more names than they list. */
const listsAll: readonly Provider[] = ["ollama", "vllm", "localai"];

/** Pure: a model in the light of what was found of its tier. */
export function lookAtModel(model: ModelConfig, config: Config, look: TierLook | undefined): ModelLook {
  const { alias } = model;
  const tier = config.tiers[model.tier];
  if (tier === undefined || look === undefined) {
    return { alias, usable: false, reason: `there is no tier ${model.tier}` };
  }
  if (look.state !== "ready") {
    const { reason = "its tier cannot be used", mend } = look;
    return { alias, usable: false, reason, ...(mend === undefined ? {} : { mend }) };
  }
  const missing = (reason: string): ModelLook => {
    const mend = mendModel(tier, model.model);
    return { alias, usable: false, reason, ...(mend === undefined ? {} : { mend }) };
  };
  const [first] = look.models;
  if (model.model === "auto") {
    return first === undefined ? missing("its server has no model") : { alias, usable: true, meant: first };
  }
  const isListed = look.models.some((id) => id === model.model || id === `${model.model}:latest`);
  if (!isListed && listsAll.includes(tier.provider)) return missing(`its server does not have ${model.model}`);
  if (!isListed && tier.provider === "llama-cpp" && !model.model.endsWith(".gguf")) {
    return { alias, usable: false, reason: "its file is not there", mend: "scripts/quickstart brings smollm2-135m" };
  }
  return { alias, usable: true };
}
