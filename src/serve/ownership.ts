import { type RequestHandler, type Response, Router } from "express";
import { UserError } from "../job/errors.ts";
import { type Caller, includes } from "./access.ts";
import type { Batches } from "./batches.ts";
import type { ServeContext } from "./context.ts";
import { callerOf } from "./guard.ts";
import { HttpError } from "./http-error.ts";

/*
 * What rows and answers say is seen by who sent them, and by an admin; files and batches are ended and removed by the
 * same. Whose they are is the name of the token that they came with, so that a token can be replaced by another.
 */

/** @throws HttpError when something of this owner is not for the caller. */
export function assertOwn(response: Response, what: string, owner: string | undefined): void {
  if (!isOwn(callerOf(response), owner)) throw new HttpError(403, othersWords(what));
}

const isOwn = ({ name, role }: Caller, owner: string | undefined): boolean =>
  role === "admin" || (includes(role, "submit") && owner === name);

const othersWords = (what: string): string =>
  `${what} came with another token; its content is for that one and for an admin`;

/** The batches for what asks in the name of a caller without being one of those routes (MCP's tools). */
export function batchesFor(caller: Caller, batches: Batches): Batches {
  function own(id: string): string {
    const record = batches.get(id);
    if (record === undefined || isOwn(caller, record.owner)) return id;
    throw new UserError(othersWords(`batch ${id}`));
  }
  return {
    ...batches,
    create: (order) => batches.create({ ...order, owner: caller.name }),
    cancel: async (id) => batches.cancel(own(id)),
    remove: async (id) => batches.remove(own(id)),
    change: async (id, change) => batches.change(own(id), change),
    retryRow: async (id, row) => batches.retryRow(own(id), row),
    results: (id) => batches.results(own(id)),
  };
}

/** Stands before the routes of files and batches; what is not there they say themselves. */
export function ownershipRoutes({ files, batches }: Pick<ServeContext, "files" | "batches">): Router {
  const ownFile: RequestHandler<{ id: string }> = ({ params: { id } }, response, next) => {
    const file = files.get(id);
    if (file !== undefined) assertOwn(response, `file ${id}`, file.owner);
    next();
  };
  const ownBatch: RequestHandler<{ id: string }> = ({ params: { id } }, response, next) => {
    const batch = batches.get(id);
    if (batch !== undefined) assertOwn(response, `batch ${id}`, batch.owner);
    next();
  };
  const routes = Router();
  routes.get("/v1/files/:id/content", ownFile);
  routes.delete("/v1/files/:id", ownFile);
  for (const path of ["/v1/batches/:id", "/v1/messages/batches/:id"]) {
    routes.get(`${path}/results`, ownBatch);
    routes.post(`${path}/cancel`, ownBatch);
    routes.delete(path, ownBatch);
  }
  return routes;
}
