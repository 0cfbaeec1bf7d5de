import { fileURLToPath } from "node:url";
import express, { type Response, Router } from "express";
import type { ServeContext } from "./context.ts";
import { createDashboardWatch, type Viewer } from "./dashboard-watch.ts";
import { callerOf } from "./guard.ts";
import { HttpError } from "./http-error.ts";

/** What the page may offer beside looking. */
export interface DashboardOptions {
  /** Batches can be made, cancelled and paused here. Default true. */
  readonly takesBatches?: boolean;
}

const mostViewers = 200;
/** A viewer that does not read is sent away when so much waits for him; his browser comes again. */
const mostUnreadBytes = 4_000_000;

/** The page at `/`, its files and its events under `/dashboard`. */
export function dashboardRoutes(context: ServeContext, { takesBatches = true }: DashboardOptions = {}): Router {
  const folder = fileURLToPath(new URL("./dashboard/", import.meta.url));
  const watch = createDashboardWatch(context);
  const routes = Router();

  routes.get("/", (_request, response) => response.sendFile("index.html", { root: folder }));
  routes.get("/dashboard/events", async (request, response) => {
    if (watch.viewers >= mostViewers) throw new HttpError(503, `${mostViewers} pages are open already; close one`);
    const viewer = viewerOf(response, takesBatches);
    const leave = () => watch.leave(viewer);
    request.on("close", leave);
    await watch.join(viewer);
    if (request.destroyed) leave();
  });
  routes.use("/dashboard", express.static(folder, { index: false, fallthrough: true }));
  return routes;
}

function viewerOf(response: Response, takesBatches: boolean): Viewer {
  const { role, name } = callerOf(response);
  response.writeHead(200, {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store, no-transform",
    // Proxies hold small answers back, and nginx can be told not to.
    "X-Accel-Buffering": "no",
  });
  const send = (event: string, text: string): void => {
    response.write(`event: ${event}\ndata: ${text}\n\n`);
    if (response.writableLength > mostUnreadBytes) response.destroy();
  };
  // Its browser comes again soon when the server is gone for a moment.
  response.write("retry: 2000\n\n");
  return {
    begin: (state, history) =>
      send("begin", JSON.stringify({ ...state, history, viewer: { role, name, takesBatches } })),
    change: (text) => send("change", text),
  };
}
