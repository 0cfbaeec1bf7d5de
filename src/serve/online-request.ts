import { findModel } from "../config/ad-hoc.ts";
import type { Config } from "../config/config.ts";
import { suggestName } from "../config/nearest.ts";
import { HttpError } from "./http-error.ts";
import type { Fields } from "./online-form.ts";

export interface OnlineRequest {
  /** What is for the model. */
  readonly body: Fields;
  /** What the row has beside it. */
  readonly about: { readonly private: boolean; readonly task?: string };
  /** As the client names it. */
  readonly model: string;
  readonly isStreamed: boolean;
  readonly includesUsage: boolean;
}

const taskPrefix = "task:";

/**
 * Reads the body of an online call, as far as it is for the server itself; the rest is judged as a row is.
 * `metadata` may say `private` and `task`, as that of a batch does; both stay here.
 */
export function readOnlineRequest(body: unknown, config: Config): OnlineRequest {
  if (!isObject(body)) {
    throw new HttpError(400, "expected a JSON object as the body, with content-type application/json");
  }
  const { stream, stream_options: streamOptions, metadata, ...rest } = body;
  const isStreamed = stream === true;
  if (isStreamed && typeof rest.n === "number" && rest.n > 1) {
    throw new HttpError(400, "n: expected 1 for an answer in pieces", { param: "n" });
  }
  const { private: isPrivate, task, ...kept } = isObject(metadata) ? metadata : {};
  if (task !== undefined && (typeof task !== "string" || !Object.hasOwn(config.tasks, task))) {
    const suggestion = suggestName(String(task).slice(0, 100), Object.keys(config.tasks));
    throw new HttpError(400, `metadata.task: unknown task; ${suggestion}`, { param: "metadata" });
  }
  return {
    body: { ...rest, ...(Object.keys(kept).length > 0 ? { metadata: kept } : {}) },
    about: { private: readPrivate(isPrivate), ...(task === undefined ? {} : { task }) },
    model: readModel(rest.model, config),
    isStreamed,
    includesUsage: isObject(streamOptions) && streamOptions.include_usage === true,
  };
}

/** Nothing is guessed about privacy. */
function readPrivate(value: unknown): boolean {
  if (value === undefined || value === false || value === "false") return false;
  if (value === true || value === "true") return true;
  throw new HttpError(400, 'metadata.private: expected "true" or "false"', { param: "metadata" });
}

function readModel(model: unknown, config: Config): string {
  if (model === undefined || model === null) return "auto";
  if (typeof model !== "string") throw new HttpError(400, "model: expected a text", { param: "model" });
  const isKnown = model.startsWith(taskPrefix)
    ? Object.hasOwn(config.tasks, model.slice(taskPrefix.length))
    : model === "auto" || findModel(config, model) !== undefined;
  if (isKnown) return model;
  const names = [...Object.keys(config.models), ...Object.keys(config.tasks).map((task) => taskPrefix + task)];
  const name = model.slice(0, 100);
  throw new HttpError(404, `there is no model ${name}; ${suggestName(name, names)}`, {
    code: "model_not_found",
    param: "model",
  });
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
