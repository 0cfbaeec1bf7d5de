import { findModel } from "../config/ad-hoc.ts";
import type { Config, ModelConfig } from "../config/config.ts";
import { sameModel } from "../config/consensus-check.ts";
import { suggestName } from "../config/nearest.ts";
import { problemText } from "../config/problems.ts";
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
  const models = names.map((name) => {
    const model = findModel(config, name);
    if (model !== undefined) return model;
    throw new UserError(
      `${where}: unknown model "${name.slice(0, 100)}": ${suggestName(name.slice(0, 100), Object.keys(config.models))}`,
    );
  });
  const same = sameModel(names, (name) => findModel(config, name));
  if (same !== undefined) throw new UserError(problemText(where, same));
  return models;
}
