import { findModel } from "../config/ad-hoc.ts";
import type { Config, ModelConfig } from "../config/config.ts";
import { suggestName } from "../config/nearest.ts";
import { UserError } from "../job/errors.ts";

/** More would be a batch. */
const mostModels = 20;

/**
 * The models that a question names, each once.
 * @param where what the names stand in, for messages: `--models`, `models`.
 * @throws UserError for a name that is no model, or a model that is named twice.
 */
export function modelsNamed(config: Config, names: readonly string[], where: string): ModelConfig[] {
  if (names.length > mostModels) {
    throw new UserError(`${where}: expected at most ${mostModels} models, found ${names.length}`);
  }
  const seen = new Map<string, string>();
  return names.map((name) => {
    const model = findModel(config, name);
    if (model === undefined) {
      throw new UserError(
        `${where}: unknown model "${name.slice(0, 100)}": ${suggestName(name.slice(0, 100), Object.keys(config.models))}`,
      );
    }
    const key = `${model.tier}/${model.model}`;
    const before = seen.get(key);
    if (before !== undefined) {
      const which = before === name ? `${name} is named twice` : `${before} and ${name} are the same model`;
      throw new UserError(`${where}: expected different models; ${which}, leave one out`);
    }
    seen.set(key, name);
    return model;
  });
}
