import { createBullBoard } from "@bull-board/api";
import type { BeforeHook } from "@bull-board/api/typings/app";
import { ExpressAdapter } from "@bull-board/express";
import { type RequestHandler, Router } from "express";
import { tierWaits } from "../pool/tier-waits.ts";
import { batchesQueue, inboxQueue } from "../queue/names.ts";
import { baseScript, createBoardPage } from "./board-page.ts";
import { batchesBoardQueue, boardQueue } from "./board-queue.ts";
import type { ServeContext } from "./context.ts";
import { callerOf } from "./guard.ts";
import { boardHeaders } from "./headers.ts";
import { createRowFacts } from "./row-facts.ts";

const pages = ["/", "/metrics-history", "/job-schedulers", "/queue/:queueName", "/queue/:queueName/:jobId"];

/** Bull Board at `/queues`: every tier's queue, the inbox and the batches; to look at, and for an admin to pause and retry. */
export function boardRoutes(context: ServeContext): Router {
  const pageAt = createBoardPage();
  const boards = { toLookAt: createBoard(context, true), ofAdmin: createBoard(context, false) };
  const board = Router();
  board.use(boardHeaders());
  board.use((request, response, next) => {
    const [path, query] = request.originalUrl.split("?");
    if (request.path !== "/" || path!.endsWith("/")) return next();
    response.redirect(`${path!.split("/").at(-1)}/${query === undefined ? "" : `?${query}`}`);
  });
  board.get("/base.js", (_request, response) => void response.type("js").send(baseScript));
  board.get(pages, (request, response) => void response.type("html").send(pageAt(request.path)));
  // Bull Board would show the names of jobs that are related to it, as their producers chose them.
  board.get("/api/queues/:queueName/:jobId/flow", (request, response) => {
    response.json({ nodeId: request.params.jobId, flowRoot: null, isFlowNode: false });
  });
  board.use((request, response, next) => {
    const { role } = callerOf(response);
    (role === "admin" ? boards.ofAdmin : boards.toLookAt)(request, response, next);
  });
  return Router().use("/queues", board);
}

function createBoard({ fleet, batches, config }: ServeContext, readOnlyMode: boolean): RequestHandler {
  const factsOf = createRowFacts(fleet);
  const queueOf = (name: string) =>
    boardQueue({
      queue: fleet.queues.of(name),
      readOnlyMode,
      batches,
      factsOf,
      waitReason: () => (Object.hasOwn(config.tiers, name) ? tierWaits(fleet, name) : undefined),
    });
  const serverAdapter = new ExpressAdapter();
  createBullBoard({
    queues: [
      ...[...Object.keys(config.tiers), inboxQueue].map(queueOf),
      batchesBoardQueue(fleet.queues.of(batchesQueue)),
    ],
    serverAdapter,
    options: { uiConfig: { showWorkers: false }, handlerHooks: { before: refuseWhatBreaks } },
  });
  // Bull Board's own would head each of them "Internal server error".
  serverAdapter.setErrorHandler((error: Error & { statusCode?: 409 }) => ({
    status: error.statusCode ?? 500,
    body: {
      error: error.statusCode === undefined ? "An error in promptfleet itself" : "Not done",
      message: error.message,
    },
  }));
  const app = serverAdapter.getRouter() as ReturnType<typeof import("express")>;
  app.disable("x-powered-by");
  return app;
}

/** What changes a queue and does no harm to the fleet's rows. */
const harmless: Readonly<Record<string, string>> = {
  "/api/queues/pause": "",
  "/api/queues/resume": "",
  "/api/queues/:queueName/pause": "",
  "/api/queues/:queueName/resume": "",
  "/api/queues/:queueName/retry/:queueStatus": "",
  "/api/queues/:queueName/:jobId/retry": "",
};

/** Jobs are the fleet's: what it has not put or taken away itself it would put back, or miss. */
const refuseWhatBreaks: BeforeHook = ({ method, route }) => {
  if (method === "get" || Object.hasOwn(harmless, route)) return;
  return {
    allow: false,
    status: 403,
    message:
      "promptfleet keeps its queues itself: here they can be paused, resumed and failed rows retried; cancel a batch to be rid of its jobs",
  };
};
