import { type Request, Router } from "express";
import { formatAnthropicLine } from "../results/format-anthropic.ts";
import { type BatchRecord, finalStatuses } from "./batch-record.ts";
import type { ServeContext } from "./context.ts";
import { callerOf } from "./guard.ts";
import { HttpError } from "./http-error.ts";
import { messageBatch } from "./message-batch.ts";
import { requestLines } from "./message-requests.ts";
import { idPageOf } from "./query.ts";
import { streamText } from "./stream-text.ts";

const path = "/v1/messages/batches";

/** Anthropic's `/v1/messages/batches`. */
export function messageBatchRoutes({ batches, config }: ServeContext): Router {
  const routes = Router();
  const show = (request: Request, record: BatchRecord) => messageBatch(record, resultsUrl(request, record.id));

  /** Batches of the other API are none of this one. */
  function batchOf(id: string): BatchRecord {
    const record = batches.get(id);
    if (record?.api === "anthropic") return record;
    throw new HttpError(404, `there is no message batch ${id.slice(0, 100)}`);
  }

  routes.post(path, async (request, response) => {
    const record = await batches.create({
      api: "anthropic",
      input: { lines: requestLines(request, config.serve.limits) },
      endpoint: "/v1/messages",
      completionWindow: "24h",
      metadata: {},
      owner: callerOf(response).name,
    });
    response.json(show(request, record));
  });

  routes.get(path, (request, response) => {
    const all = batches.list().filter(({ api }) => api === "anthropic");
    response.json(idPageOf(all, request.query, (record) => show(request, record)));
  });

  routes.get(`${path}/:id`, (request, response) => {
    response.json(show(request, batchOf(request.params.id)));
  });

  routes.post(`${path}/:id/cancel`, async (request, response) => {
    const { id } = batchOf(request.params.id);
    response.json(show(request, await batches.cancel(id)));
  });

  routes.delete(`${path}/:id`, async (request, response) => {
    const { id, status } = batchOf(request.params.id);
    if (!finalStatuses.includes(status)) {
      throw new HttpError(400, `message batch ${id} has not ended and cannot be deleted; cancel it first`);
    }
    await batches.remove(id);
    response.json({ id, type: "message_batch_deleted" });
  });

  routes.get(`${path}/:id/results`, async (request, response) => {
    const { id, status } = batchOf(request.params.id);
    if (!finalStatuses.includes(status)) {
      throw new HttpError(
        404,
        `message batch ${id} has no results yet, as it has not ended; its processing_status tells`,
      );
    }
    response.type("application/x-jsonl").set("X-Content-Type-Options", "nosniff");
    await streamText(response, batches.results(id), (result) => `${formatAnthropicLine(result)}\n`);
  });
  return routes;
}

/** What a proxy adds to a request. */
const proxyHeaders = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];

/**
 * Where the results are. Behind a proxy nobody here knows the address that the client used: it gets a path, which
 * Anthropic's clients add to theirs.
 */
function resultsUrl({ headers, protocol }: Request, id: string): string {
  const target = `${path}/${id}/results`;
  const isProxied = headers.host === undefined || proxyHeaders.some((name) => headers[name] !== undefined);
  return isProxied ? target : `${protocol}://${headers.host}${target}`;
}
