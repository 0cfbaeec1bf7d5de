import express, { type Response, Router } from "express";
import { createOnlineCalls, type OnlineEnd } from "../online-call.ts";
import { chatForm } from "./chat-form.ts";
import type { ServeContext } from "./context.ts";
import { HttpError } from "./http-error.ts";
import { messageForm } from "./message-form.ts";
import { refusalOf } from "./online-refusal.ts";
import { readOnlineRequest } from "./online-request.ts";

/** More than a prompt with its images can have; a body is in memory as a whole here. */
const mostBodyBytes = 64 * 1024 ** 2;

/**
 * `/v1/chat/completions` and Anthropic's `/v1/messages`: one question, answered at once, by the limits, slots and budgets
 * that batches have too.
 */
export function onlineRoutes({ config, fleet }: ServeContext): Router {
  const routes = Router();
  const online = createOnlineCalls(fleet);
  const json = express.json({ limit: Math.min(config.serve.limits.maxBodyBytes, mostBodyBytes) });

  for (const form of [chatForm, messageForm]) {
    routes.post(form.path, json, async (request, response) => {
      const { body, about, model, isStreamed, includesUsage } = readOnlineRequest(request.body, config);
      const id = form.newId();
      const row = { ...form.rowOf(body, id), ...about };
      const signal = callerOf(response);
      if (!isStreamed) {
        const end = await online.ask(row, { signal });
        if (end.kind !== "answered") return refuse(end, response);
        response.setHeader("x-promptfleet-model", end.result.model ?? "");
        return void response.json(form.bodyOf(end.result, id));
      }
      const stream = form.openStream(response, { id, model, includesUsage });
      const end = await online.ask(row, { signal, onText: stream.tell });
      if (end.kind === "answered") stream.end(end.result);
      else if (stream.hasBegun()) stream.breakOff(refusalOf(end));
      else refuse(end, response);
    });
  }
  return routes;
}

/** Aborted when the client goes away before it has its answer. */
function callerOf(response: Response): AbortSignal {
  const caller = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) caller.abort();
  });
  return caller.signal;
}

/** @throws HttpError, unless nobody is there to be told. */
function refuse(end: OnlineEnd, response: Response): void {
  if (end.kind === "cancelled") {
    response.destroy();
    return;
  }
  const { status, message, code } = refusalOf(end);
  const { retryAfterMs } = end;
  if (retryAfterMs !== undefined) response.setHeader("Retry-After", Math.max(1, Math.ceil(retryAfterMs / 1_000)));
  throw new HttpError(status, message, { code });
}
