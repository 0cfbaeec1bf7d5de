import express, { Router } from "express";
import { formatFlatLine } from "../results/format-result.ts";
import { batchObject } from "./batch-object.ts";
import { readBatchOrder, readWeight } from "./batch-order.ts";
import { type BatchRecord, finalStatuses } from "./batch-record.ts";
import { batchWaits } from "./batch-waits.ts";
import type { Batches } from "./batches.ts";
import type { ServeContext } from "./context.ts";
import { callerOf } from "./guard.ts";
import { HttpError } from "./http-error.ts";
import { assertOwn } from "./ownership.ts";
import { pageOf } from "./query.ts";
import { streamText } from "./stream-text.ts";

/** `/v1/batches` as OpenAI has it, and under it what is ours: results so far, pause, resume, weight. */
export function batchRoutes({ batches, files, config }: ServeContext): Router {
  const routes = Router();
  const json = express.json({ limit: "1mb" });
  const shown = (record: BatchRecord) =>
    batchObject(record, batchWaits(batches.waitReason(record.id), batches.snapshotOf(record.id)));
  const bodyOf = ({ body }: express.Request): Record<string, unknown> => {
    if (typeof body === "object" && body !== null) return body as Record<string, unknown>;
    throw new HttpError(400, "expected a JSON object as the body, with content-type application/json");
  };

  routes.post("/v1/batches", json, async (request, response) => {
    const order = readBatchOrder(bodyOf(request), config);
    if ("fileId" in order.input) {
      const { fileId } = order.input;
      const file = files.get(fileId);
      if (file === undefined) {
        throw new HttpError(404, `input_file_id: there is no file ${fileId.slice(0, 100)}`, {
          code: "file_not_found",
          param: "input_file_id",
        });
      }
      assertOwn(response, `input_file_id: file ${file.id}`, file.owner);
      if (file.purpose !== "batch") {
        throw new HttpError(400, `input_file_id: expected a file with the purpose batch, found ${file.purpose}`, {
          param: "input_file_id",
        });
      }
    }
    response.json(shown(await batches.create({ ...order, owner: callerOf(response).name })));
  });

  routes.get("/v1/batches", (request, response) => {
    const ofOpenai = batches.list().filter(({ api }) => api === "openai");
    response.json(pageOf(ofOpenai, request.query, { most: 100, usual: 20 }, shown));
  });

  routes.get("/v1/batches/:id", (request, response) => {
    response.json(shown(batchOf(batches, request.params.id)));
  });

  routes.post("/v1/batches/:id/cancel", async (request, response) => {
    const { id, status } = batchOf(batches, request.params.id);
    if (finalStatuses.includes(status) && status !== "cancelled") {
      throw new HttpError(409, `batch ${id} has ended as ${status} and cannot be cancelled`, { code: "batch_ended" });
    }
    response.json(shown(await batches.cancel(id)));
  });

  routes.post("/v1/batches/:id/pause", async (request, response) => {
    const { id } = unfinished(batchOf(batches, request.params.id));
    response.json(shown(await batches.change(id, { paused: true })));
  });

  routes.post("/v1/batches/:id/resume", async (request, response) => {
    const { id } = unfinished(batchOf(batches, request.params.id));
    response.json(shown(await batches.change(id, { paused: false })));
  });

  routes.post("/v1/batches/:id", json, async (request, response) => {
    const { id } = unfinished(batchOf(batches, request.params.id as string));
    const weight = readWeight(bodyOf(request).weight);
    response.json(shown(await batches.change(id, { weight })));
  });

  routes.get("/v1/batches/:id/results", async (request, response) => {
    const { id } = batchOf(batches, request.params.id);
    response.type("application/jsonl").set("X-Content-Type-Options", "nosniff");
    await streamText(response, batches.results(id), (result) => `${formatFlatLine(result)}\n`);
  });
  return routes;
}

export function batchOf(batches: Batches, id: string): BatchRecord {
  const record = batches.get(id);
  if (record !== undefined) return record;
  throw new HttpError(404, `there is no batch ${id.slice(0, 100)}`, { code: "batch_not_found" });
}

function unfinished(record: BatchRecord): BatchRecord {
  if (!finalStatuses.includes(record.status)) return record;
  throw new HttpError(409, `batch ${record.id} has ended as ${record.status}`, { code: "batch_ended" });
}
