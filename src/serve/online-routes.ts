import { randomBytes } from "node:crypto";
import express, { type Response, Router } from "express";
import { createOnlineCalls, type OnlineEnd } from "../online-call.ts";
import { chatBodyOf } from "../results/format-result.ts";
import { type ChatRequest, readChatRequest } from "./chat-request.ts";
import { openChatStream } from "./chat-stream.ts";
import type { ServeContext } from "./context.ts";
import { HttpError } from "./http-error.ts";
import { refusalOf } from "./online-refusal.ts";

/** More than a prompt with its images can have; a body is in memory as a whole here. */
const mostBodyBytes = 64 * 1024 ** 2;

/** `/v1/chat/completions`: one question, answered at once, by the limits, slots and budgets that batches have too. */
export function onlineRoutes({ config, fleet }: ServeContext): Router {
  const routes = Router();
  const online = createOnlineCalls(fleet);

  routes.post(
    "/v1/chat/completions",
    express.json({ limit: Math.min(config.serve.limits.maxBodyBytes, mostBodyBytes) }),
    async (request, response) => {
      const chat = readChatRequest(request.body, config);
      const id = `chatcmpl-${randomBytes(12).toString("hex")}`;
      const signal = callerOf(response);
      const row = { ...chat.row, custom_id: id };
      if (chat.isStreamed) await answerInPieces(chat, row, id, signal, response);
      else answerAtOnce(await online.ask(row, { signal }), id, response);
    },
  );

  async function answerInPieces(
    chat: ChatRequest,
    row: ChatRequest["row"],
    id: string,
    signal: AbortSignal,
    response: Response,
  ): Promise<void> {
    const stream = openChatStream(response, { id, model: chat.model, includesUsage: chat.includesUsage });
    const end = await online.ask(row, { signal, onText: stream.tell });
    if (end.kind === "answered") stream.end(end.result);
    else if (stream.hasBegun()) stream.breakOff(refusalOf(end));
    else refuse(end, response);
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

function answerAtOnce(end: OnlineEnd, id: string, response: Response): void {
  const { kind, result } = end;
  if (kind !== "answered") {
    refuse(end, response);
    return;
  }
  response.setHeader("x-promptfleet-model", result.model ?? "");
  response.json({ ...chatBodyOf(result), id });
}

/** @throws HttpError, unless nobody is there to be told. */
function refuse(end: OnlineEnd, response: Response): void {
  if (end.kind === "cancelled") {
    response.destroy();
    return;
  }
  const { status, message, code } = refusalOf(end);
  if (end.retryAfterMs !== undefined)
    response.setHeader("Retry-After", Math.max(1, Math.ceil(end.retryAfterMs / 1_000)));
  throw new HttpError(status, message, { code });
}
