import { type Request, type Response, Router } from "express";
import { ipKeyGenerator, rateLimit } from "express-rate-limit";
import { type Caller, includes } from "./access.ts";
import type { ServeContext } from "./context.ts";
import { HttpError } from "./http-error.ts";
import { createLogins, pathToLogin } from "./login.ts";
import { roleFor } from "./permission.ts";
import { isReading, refusalWithoutToken } from "./same-origin.ts";
import { createTokenCheck } from "./token-check.ts";

/** Without a token whoever reaches the server is its admin. */
const localCaller: Caller = { name: "local", role: "admin" };

/** Who asks, as the guard has found out. */
export function callerOf(response: Response): Caller {
  return response.locals.caller as Caller;
}

/** Stands before every route that comes after it: lets in who may ask for it, and not too often. */
export function guard({ access, config }: Pick<ServeContext, "access" | "config">): Router {
  const checkToken = createTokenCheck(access);
  const logins = createLogins(access, checkToken);

  function whoAsks(request: Request): Caller | undefined {
    if (access.isOpen) {
      const refusal = refusalWithoutToken(request.method, request.headers);
      if (refusal !== undefined) throw new HttpError(403, refusal);
      return localCaller;
    }
    const token = tokenOf(request);
    return token === undefined ? logins.callerOf(request) : checkToken(request.ip ?? "", token);
  }

  const router = Router();
  router.use(logins.routes);
  router.use((request, response, next) => {
    const caller = whoAsks(request);
    if (caller === undefined) return askForToken(request, response);
    const needed = roleFor(request.method, request.path);
    if (!includes(caller.role, needed)) {
      throw new HttpError(403, `this needs a token with the role ${needed}; yours (${caller.name}) has ${caller.role}`);
    }
    response.locals.caller = caller;
    next();
  });
  router.use(
    rateLimit({
      windowMs: 60_000,
      limit: config.serve.limits.maxRequestsPerMinute,
      standardHeaders: "draft-8",
      legacyHeaders: false,
      validate: false,
      keyGenerator: (request, response) =>
        access.isOpen ? ipKeyGenerator(request.ip ?? "") : `token ${callerOf(response as Response).name}`,
      handler: (_request, _response, next, { limit }) => {
        next(new HttpError(429, `more than ${limit} requests a minute (serve.limits.maxRequestsPerMinute): slow down`));
      },
    }),
  );
  return router;
}

function tokenOf(request: Request): string | undefined {
  const bearer = /^Bearer\s+(.+)$/i.exec(request.headers.authorization ?? "")?.[1];
  const apiKey = request.headers["x-api-key"];
  return bearer ?? (typeof apiKey === "string" ? apiKey : undefined);
}

/** A browser that looks at a page is led to the login; programs are told what is missing. */
function askForToken(request: Request, response: Response): void {
  response.setHeader("WWW-Authenticate", 'Bearer realm="promptfleet"');
  if (
    isReading(request.method) &&
    tokenOf(request) === undefined &&
    (request.headers.accept ?? "").includes("text/html")
  ) {
    response.redirect(303, pathToLogin(request));
    return;
  }
  const why = tokenOf(request) === undefined ? "no token was sent" : "the token is not one of this server";
  throw new HttpError(401, `${why}: send it as "Authorization: Bearer TOKEN" or as x-api-key`, {
    code: "invalid_api_key",
  });
}
