import type { ServerOptions } from "node:http";
import type { Request, RequestHandler, Response } from "express";
import type { ServeLimits } from "../config/config.ts";
import { HttpError } from "./http-error.ts";

/**
 * For `http.createServer`: who connects must say within this time what he wants. How long a body may take is looked at
 * here (`limitBodies`), as Node has one bound for all requests and an upload may take hours.
 */
export const serverOptions = {
  headersTimeout: 20_000,
  requestTimeout: 0,
  keepAliveTimeout: 65_000,
  connectionsCheckingInterval: 5_000,
} satisfies ServerOptions;

export interface BodyPatience {
  /** Bodies are looked at this often; default 20 s. */
  readonly lookEveryMs: number;
  /** An upload, or any body, that brings less than this between two looks is cut off; default 20 KiB. */
  readonly leastBytes: number;
  /** Any other body must be whole after this; default 5 min. */
  readonly longestMs: number;
  /** An answer that needs not the rest of a body is read by the client before the connection is cut; default 5 s. */
  readonly lingerMs: number;
}

const usualPatience: BodyPatience = { lookEveryMs: 20_000, leastBytes: 20_480, longestMs: 300_000, lingerMs: 5_000 };

/** What a form adds to the file that it brings; the file itself is measured as it comes. */
const formBytes = 65_536;

/** Refuses bodies that are too large, and cuts off clients that send a byte now and then. */
export function limitBodies(limits: ServeLimits, patience: BodyPatience = usualPatience): RequestHandler {
  return (request, response, next) => {
    if (!hasBody(request)) return next();
    watchBody(request, response, isUpload(request) ? Number.POSITIVE_INFINITY : patience.longestMs, patience);
    const most = isUpload(request) ? limits.maxFileBytes + formBytes : limits.maxBodyBytes;
    if (Number(request.headers["content-length"] ?? 0) > most) {
      throw new HttpError(413, `the body has more than ${most} bytes, which is the most that this server takes`);
    }
    next();
  };
}

/** Refuses uploads that are too many at once. Behind the guard: who may not upload takes nobody's place. */
export function limitUploads({ maxUploadsAtOnce }: Pick<ServeLimits, "maxUploadsAtOnce">): RequestHandler {
  let uploads = 0;
  return (request, response, next) => {
    if (!hasBody(request) || !isUpload(request)) return next();
    if (uploads >= maxUploadsAtOnce) {
      response.setHeader("Retry-After", "5");
      throw new HttpError(429, `${uploads} uploads are under way, which is the most at once: try again soon`);
    }
    uploads++;
    response.once("close", () => {
      uploads--;
    });
    next();
  };
}

const isUpload = ({ method, path }: Request): boolean => method === "POST" && /^\/v1\/files\/?$/i.test(path);
const hasBody = ({ headers }: Request): boolean =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;

function watchBody(request: Request, response: Response, longestMs: number, patience: BodyPatience): void {
  const { socket } = request;
  const startedMs = performance.now();
  let bytesBefore = socket.bytesRead;
  const timer = setInterval(() => {
    if (request.complete || request.destroyed) return stop();
    const bytes = socket.bytesRead - bytesBefore;
    bytesBefore = socket.bytesRead;
    // What has come and is not taken yet is not the client's delay.
    const isSlow = bytes < patience.leastBytes && request.readableLength === 0;
    if (isSlow || performance.now() - startedMs > longestMs) cutOff(request, response);
  }, patience.lookEveryMs);
  const stop = () => clearInterval(timer);
  response.once("close", stop);
  response.once("finish", () => {
    if (!request.complete) setTimeout(() => socket.destroy(), patience.lingerMs).unref();
  });
}

function cutOff(request: Request, response: Response): void {
  if (!response.headersSent) {
    const message = "the body came too slowly, or not at all";
    response.status(408).set("Connection", "close");
    response.end(JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code: null } }));
  }
  setTimeout(() => request.socket.destroy(), 100);
}
