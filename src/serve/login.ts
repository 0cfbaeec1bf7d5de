import express, { type Request, type Response, Router } from "express";
import type { Access, Caller } from "./access.ts";
import { HttpError } from "./http-error.ts";
import { loggedInPage, loginPage, loginStyle } from "./login-page.ts";
import { refusalWithCookie } from "./same-origin.ts";
import { createSessions, idleMs } from "./sessions.ts";
import type { TokenCheck } from "./token-check.ts";

export interface Logins {
  /** `/login`, `/logout`: for everybody. */
  readonly routes: Router;
  /** Who is logged in in this browser. @throws HttpError when a page of another site makes it ask. */
  callerOf(request: Request): Caller | undefined;
}

const cookieName = "promptfleet_session";

/** Browsers give their token once, in a form, and have a cookie for it. */
export function createLogins(access: Access, checkToken: TokenCheck): Logins {
  const sessions = createSessions();
  const routes = Router();

  function assertOwnPage(request: Request): void {
    const refusal = refusalWithCookie(request.method, request.headers);
    if (refusal !== undefined) throw new HttpError(403, refusal);
  }

  routes.get("/login.css", (_request, response) => void response.type("css").send(loginStyle));
  routes.get("/login", (request, response) => {
    if (access.isOpen) return response.redirect("./");
    const caller = sessions.callerOf(cookieOf(request));
    response.send(caller === undefined ? loginPage(placeOf(request.query.next)) : loggedInPage(caller));
  });
  routes.post("/login", express.urlencoded({ extended: false, limit: "8kb" }), (request, response) => {
    assertOwnPage(request);
    const { token, next } = (request.body ?? {}) as Record<string, unknown>;
    const place = placeOf(next);
    const caller = checkToken(request.ip ?? "", String(token ?? "").trim());
    if (caller === undefined) {
      response.status(401).send(loginPage(place, "This is not a token of this server."));
      return;
    }
    sessions.close(cookieOf(request));
    setCookie(request, response, sessions.open(caller), idleMs / 1000);
    response.redirect(303, place === "" ? "./" : place);
  });
  routes.post("/logout", (request, response) => {
    assertOwnPage(request);
    sessions.close(cookieOf(request));
    setCookie(request, response, "", 0);
    response.redirect(303, "login");
  });

  return {
    routes,
    callerOf(request) {
      const caller = sessions.callerOf(cookieOf(request));
      if (caller !== undefined) assertOwnPage(request);
      return caller;
    },
  };
}

/** From a page to the login, as the browser sees the two: a proxy may have them under a path that nobody here knows. */
export function pathToLogin({ path, originalUrl }: Pick<Request, "path" | "originalUrl">): string {
  const up = "../".repeat(path.split("/").length - 2);
  const place = placeOf(originalUrl.replace(/^\/+/, ""));
  return `${up}login${place === "" ? "" : `?next=${encodeURIComponent(place)}`}`;
}

/** A page of this server, relative to the login; "" for everything else, so that nobody is led away. */
function placeOf(value: unknown): string {
  const isOwn = typeof value === "string" && /^[\w.~%-]+(?:\/[\w.~%-]*)*(?:\?[\w.~%=&-]*)?$/.test(value);
  return isOwn && !/\.\.|%2e|\/\//i.test(value) ? value : "";
}

function cookieOf(request: Request): string {
  const cookies = (request.headers.cookie ?? "").split(/;\s*/);
  return cookies.find((cookie) => cookie.startsWith(`${cookieName}=`))?.slice(cookieName.length + 1) ?? "";
}

/** Without a path: browsers then take the one below which the login lies, whatever a proxy has put before it. */
function setCookie(request: Request, response: Response, value: string, maxAgeSeconds: number): void {
  const isHttps = request.protocol === "https" || String(request.headers["x-forwarded-proto"]).startsWith("https");
  const secure = isHttps ? "; Secure" : "";
  response.append("Set-Cookie", `${cookieName}=${value}; HttpOnly; SameSite=Strict; Max-Age=${maxAgeSeconds}${secure}`);
}
