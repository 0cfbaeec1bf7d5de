import express, { type Express, type RequestHandler, type Router } from "express";
import { type FolderWatch, watchFolder } from "../config/folder-watch.ts";
import { anthropicModelRoutes } from "./anthropic-model-routes.ts";
import { batchRoutes } from "./batch-routes.ts";
import { boardRoutes } from "./board.ts";
import { limitBodies, limitUploads } from "./bodies.ts";
import type { ServeContext } from "./context.ts";
import { dashboardRoutes } from "./dashboard.ts";
import { fileRoutes } from "./file-routes.ts";
import { guard } from "./guard.ts";
import { securityHeaders } from "./headers.ts";
import { answerError, HttpError } from "./http-error.ts";
import { mcpRoutes } from "./mcp-routes.ts";
import { messageBatchRoutes } from "./message-batch-routes.ts";
import { metricsRoutes } from "./metrics.ts";
import { modelRoutes } from "./model-routes.ts";
import { onlineRoutes } from "./online-routes.ts";
import { ownershipRoutes } from "./ownership.ts";
import { createRedisCheck } from "./redis-silence.ts";
import { tierRoutes } from "./tier-routes.ts";

/** The server's routes, one line a feature, in the order in which requests meet them. */
export function createApp(context: ServeContext): Express {
  const disk = watchFolder(context.directory);
  const routes = [
    ownershipRoutes(context),
    fileRoutes(context),
    batchRoutes(context),
    messageBatchRoutes(context),
    anthropicModelRoutes(context),
    modelRoutes(context),
    metricsRoutes(context),
    tierRoutes(context),
    onlineRoutes(context),
    mcpRoutes(context),
    boardRoutes(context),
    dashboardRoutes(context),
  ];
  return createGuarded(context, [refuseWithout(disk), ...routes], disk);
}

/** The pages of one run: to look at it, not to send it anything. */
export function createRunApp(context: ServeContext): Express {
  return createGuarded(context, [
    metricsRoutes(context),
    boardRoutes(context),
    dashboardRoutes(context, { takesBatches: false }),
  ]);
}

/** Of a disk that is gone nothing could be told that is true, and what is sent would come to lie under the mount. */
function refuseWithout(disk: FolderWatch): RequestHandler {
  return (request, _response, next) => {
    const gone = request.path.startsWith("/v1/") ? disk.trouble() : undefined;
    next(gone === undefined ? undefined : new HttpError(503, gone));
  };
}

function createGuarded(
  context: ServeContext,
  features: readonly (Router | RequestHandler)[],
  disk?: FolderWatch,
): Express {
  const app = express();
  app.disable("x-powered-by");
  app.set("query parser", "simple");
  // A proxy on this machine says who asks it.
  app.set("trust proxy", "loopback");
  const { limits } = context.config.serve;
  app.use(securityHeaders(), limitBodies(limits));

  app.get("/healthz", (_request, response) => void response.json({ status: "ok" }));
  const redisTrouble = createRedisCheck(context.fleet);
  app.get("/readyz", async (_request, response) => {
    const trouble = disk?.trouble() ?? (await redisTrouble());
    response.status(trouble === undefined ? 200 : 503).json({ status: trouble ?? "ok" });
  });

  app.use(guard(context), limitUploads(limits));
  for (const routes of features) app.use(routes);

  app.use((request) => {
    throw new HttpError(404, `there is no ${request.method} ${request.path} here`, { code: "unknown_url" });
  });
  app.use(answerError);
  return app;
}
