import type { ErrorRequestHandler } from "express";
import { messageOf, UserError } from "../job/errors.ts";

/** A refusal that a client is told, in the shape of the API that it speaks. */
export class HttpError extends Error {
  readonly status: number;
  /** OpenAI's `code`, for example `batch_not_found`; null where there is none. */
  readonly code: string | null;
  /** The field of the request that is wrong. */
  readonly param: string | null;

  constructor(status: number, message: string, { code = null, param = null }: HttpErrorDetails = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
  }
}

interface HttpErrorDetails {
  readonly code?: string | null;
  readonly param?: string | null;
}

/** Turns what a route throws into the error object of the API that the client speaks; nothing of the program leaks. */
export const answerError: ErrorRequestHandler = (error, request, response, next) => {
  if (response.headersSent) return next(error);
  const { status, message, code, param } = describe(error);
  const isAnthropic =
    request.headers["anthropic-version"] !== undefined || request.originalUrl.split("?")[0]!.includes("/v1/messages");
  response
    .status(status)
    .json(
      isAnthropic
        ? { type: "error", error: { type: anthropicTypes[status] ?? "api_error", message } }
        : { error: { message, type: status < 500 ? "invalid_request_error" : "server_error", param, code } },
    );
};

const anthropicTypes: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  409: "invalid_request_error",
  413: "request_too_large",
  429: "rate_limit_error",
};

function describe(error: unknown): { status: number; message: string; code: string | null; param: string | null } {
  if (error instanceof HttpError) return error;
  if (error instanceof UserError) return { status: 400, message: error.message, code: null, param: null };
  // What express and its parsers refuse: a body that is no JSON, too large, cut off; a path with a broken escape.
  const { status, expose, type } = (error ?? {}) as { status?: unknown; expose?: unknown; type?: unknown };
  const isOfClient = expose === true || error instanceof URIError;
  if (typeof status === "number" && status >= 400 && status < 500 && isOfClient) {
    const what = type === "entity.parse.failed" ? "the body is not JSON: " : "";
    return { status, message: `${what}${messageOf(error)}`, code: null, param: null };
  }
  process.stderr.write(`a request failed: ${messageOf(error)}\n`);
  return { status: 500, message: "an error in promptfleet itself; its log has more", code: null, param: null };
}
