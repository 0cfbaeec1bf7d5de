import { Router } from "express";
import type { Config } from "../config/config.ts";
import type { ServeContext } from "./context.ts";
import { HttpError } from "./http-error.ts";

/** `/v1/models`: what a body may name as its model, each owned by its tier. */
export function modelRoutes({ config }: ServeContext): Router {
  const routes = Router();
  const startedSeconds = Math.floor(Date.now() / 1_000);
  const owners = modelOwners(config);
  const objectOf = (id: string, owner: string) => ({ id, object: "model", created: startedSeconds, owned_by: owner });

  routes.get("/v1/models", (_request, response) => {
    response.json({ object: "list", data: [...owners].map(([id, owner]) => objectOf(id, owner)) });
  });

  // A provider's id may hold slashes.
  routes.get("/v1/models/*id", (request, response) => {
    const id = [request.params.id].flat().join("/");
    const owner = owners.get(id);
    if (owner === undefined) {
      throw new HttpError(404, `there is no model ${id.slice(0, 100)}`, { code: "model_not_found", param: "model" });
    }
    response.json(objectOf(id, owner));
  });
  return routes;
}

/** Aliases, then the providers' own ids; the first entry of an id has it, as where a row names it. */
export function modelOwners({ models }: Config): ReadonlyMap<string, string> {
  const owners = new Map(Object.values(models).map(({ alias, tier }) => [alias, tier]));
  for (const { model, tier } of Object.values(models)) {
    if (model !== "auto" && !owners.has(model)) owners.set(model, tier);
  }
  return owners;
}
