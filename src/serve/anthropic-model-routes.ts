import { type Request, Router } from "express";
import { findModel } from "../config/ad-hoc.ts";
import type { ServeContext } from "./context.ts";
import { HttpError } from "./http-error.ts";
import { modelOwners } from "./model-routes.ts";
import { idPageOf } from "./query.ts";

const speaksAnthropic = ({ headers }: Request): boolean => headers["anthropic-version"] !== undefined;
/** Of a model whose release nobody here knows. */
const unknownTime = new Date(0).toISOString();

/** `/v1/models` for clients that name a version of Anthropic's API; others come to OpenAI's. */
export function anthropicModelRoutes({ config }: ServeContext): Router {
  const routes = Router();
  const models = [...modelOwners(config).keys()].map((id) => ({ id }));

  function show({ id }: { readonly id: string }): Record<string, unknown> {
    const model = findModel(config, id);
    return {
      id,
      type: "model",
      display_name: id,
      created_at: unknownTime,
      capabilities: null,
      deprecated_at: null,
      lifecycle: "active",
      line: null,
      max_input_tokens: model?.contextTokens ?? null,
      max_tokens: null,
      retires_at: null,
    };
  }

  routes.get("/v1/models", (request, response, next) => {
    if (!speaksAnthropic(request)) return next();
    response.json(idPageOf(models, request.query, show));
  });

  routes.get("/v1/models/*id", (request, response, next) => {
    if (!speaksAnthropic(request)) return next();
    const id = [request.params.id].flat().join("/");
    const model = models.find((one) => one.id === id);
    if (model === undefined) throw new HttpError(404, `there is no model ${id.slice(0, 100)}`);
    response.json(show(model));
  });
  return routes;
}
