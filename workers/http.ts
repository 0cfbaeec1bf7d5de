import { StringDecoder } from "node:string_decoder";
import { type Dispatcher, Pool, ProxyAgent } from "undici";
import { proxyFor } from "../src/config/proxy.ts";
import type { EndpointOptions } from "./adapter.ts";
import { classifyConnectionError } from "./connection-error.ts";
import { guardedConnector, type Lookup } from "./location-guard.ts";
import { forgetAbort, onAbort } from "./on-abort.ts";
import type { Failure, Headers, HttpResponse } from "./response.ts";

export interface HttpRequest {
  readonly method: "GET" | "POST";
  /** On the server, from "/"; the base URL's own path included. */
  readonly path: string;
  /** JSON. */
  readonly body?: string;
  /** Beside the connection's own: names and values in turn. */
  readonly headers?: readonly string[];
  /** Told of a success that comes in pieces (events, lines of JSON) as it comes; nothing of it is kept then. */
  readonly onText?: (text: string) => void;
  readonly private: boolean;
  readonly signal: AbortSignal;
  /** Bound on connecting, sending, waiting and reading together. */
  readonly timeoutMs: number;
}

export interface HttpConnection {
  /** Host and port, for messages: never with user name or password. */
  readonly host: string;
  /** The base URL's path without closing slash. */
  readonly basePath: string;
  send(request: HttpRequest): Promise<HttpResponse | Failure>;
  close(): Promise<void>;
}

const longestAnswerBytes = 64 * 1024 * 1024;
const longestErrorBytes = 64 * 1024;
const connectTimeoutMs = 10_000;
/** Below the 5 s after which uvicorn and Node close an idle connection: else a request may run into the closing. */
const idleConnectionMs = 4_000;

/**
 * The place where requests leave the process for a server. undici's Pool is used by its lowest interface: a promise or a
 * stream less per call is a third of the call's cost.
 * @param lookup the DNS, for tests.
 */
export function openConnection(options: EndpointOptions, lookup?: Lookup): HttpConnection {
  const url = new URL(options.baseUrl);
  // A proxy would see what goes to a local server, and look for it on a network of its own.
  const proxy = options.location === "local" ? undefined : proxyFor(url);
  const pool =
    proxy === undefined ? directPool(url, options, lookup) : new ProxyAgent({ uri: proxy.href, ...poolOptions });
  const server = proxy === undefined ? url.host : `${url.host}, through the proxy ${proxy.host},`;
  const headers = ["accept", "application/json", "content-type", "application/json", "user-agent", "promptfleet"];
  if (options.apiKey !== undefined) headers.push("authorization", `Bearer ${options.apiKey}`);

  function send(request: HttpRequest): Promise<HttpResponse | Failure> {
    if (request.private && options.location !== "local") return Promise.resolve(refusedAsPrivate(options.tier));
    const { signal, timeoutMs } = request;
    if (signal.aborted) return Promise.resolve(cancelled);
    return new Promise((resolve) => {
      let controller: { abort(reason: Error): void } | undefined;
      let settled = false;
      let status = 0;
      let responseHeaders: Headers = {};
      const chunks: Buffer[] = [];
      let bytes = 0;
      let mostBytes = longestAnswerBytes;
      let pieces: StringDecoder | undefined;

      function settle(end: HttpResponse | Failure): void {
        if (settled) return;
        settled = true;
        clearTimeout(timer);
        forgetAbort(signal, cancel);
        resolve(end);
      }
      /** Ends the call from this side; the server sees its connection closed. */
      function giveUp(end: HttpResponse | Failure): void {
        settle(end);
        controller?.abort(abandoned);
      }
      const response = (): HttpResponse => ({
        kind: "response",
        status,
        headers: responseHeaders,
        text: textOf(chunks),
      });
      const cancel = (): void => giveUp(cancelled);
      const timer = setTimeout(() => {
        if (controller === undefined) {
          giveUp({
            kind: "unreachable",
            message: `${server} cannot be reached: no connection within ${timeoutMs} ms`,
          });
        } else {
          giveUp({ kind: "timed-out", message: `${url.host} gave no whole answer within ${timeoutMs} ms` });
        }
      }, timeoutMs);
      onAbort(signal, cancel);

      pool.dispatch(
        {
          origin: url.origin,
          method: request.method,
          path: request.path,
          headers: request.headers?.length ? [...headers, ...request.headers] : headers,
          body: request.body ?? null,
        },
        {
          onRequestStart(started) {
            controller = started;
            // Nothing is written when it was given up while it waited for a connection.
            if (settled) started.abort(abandoned);
          },
          onResponseStart(_started, statusCode, received) {
            if (statusCode < 200) return;
            status = statusCode;
            responseHeaders = received;
            mostBytes = statusCode < 300 ? longestAnswerBytes : longestErrorBytes;
            const inPieces = statusCode < 300 && /event-stream|ndjson/.test(String(received["content-type"]));
            if (inPieces && request.onText !== undefined) pieces = new StringDecoder("utf8");
            if (statusCode < 300 && Number(received["content-length"] ?? 0) > mostBytes) giveUp(tooLong(url.host));
          },
          onResponseData(_started, chunk) {
            if (settled) return;
            bytes += chunk.length;
            if (pieces !== undefined && bytes <= mostBytes) request.onText?.(pieces.write(chunk));
            else if (bytes <= mostBytes) chunks.push(chunk);
            else giveUp(status < 300 ? tooLong(url.host) : response());
          },
          onResponseEnd() {
            settle(response());
          },
          onResponseError(_started, error) {
            const progress = { sent: controller !== undefined, answering: status !== 0, private: request.private };
            settle(classifyConnectionError(error, server, progress));
          },
        },
      );
    });
  }

  return { host: url.host, basePath: url.pathname.replace(/\/+$/, ""), send, close: () => pool.destroy() };
}

/** The caller bounds its calls; a probe must not wait behind them. */
const poolOptions = {
  connections: null,
  pipelining: 1,
  allowH2: false,
  headersTimeout: 0,
  bodyTimeout: 0,
  keepAliveTimeout: idleConnectionMs,
  connectTimeout: connectTimeoutMs,
} as const;

function directPool(url: URL, options: EndpointOptions, lookup: Lookup | undefined): Dispatcher {
  const connect = { timeout: connectTimeoutMs, allowH2: false };
  const isLocal = options.location === "local";
  return new Pool(url.origin, {
    ...poolOptions,
    connect: isLocal ? guardedConnector(options.trustedHosts, connect, lookup) : connect,
  });
}

const abandoned = new Error("given up by this side");
const cancelled: Failure = { kind: "cancelled", message: "stopped by this side" };

function refusedAsPrivate(tier: string): Failure {
  return { kind: "refused-by-policy", message: `a private row may not be sent to tier ${tier}, which is not local` };
}

function tooLong(host: string): Failure {
  return {
    kind: "invalid-answer",
    message: `the answer of ${host} is longer than ${longestAnswerBytes / 1024 ** 2} MB`,
  };
}

function textOf(chunks: readonly Buffer[]): string {
  const [first] = chunks;
  if (first === undefined) return "";
  return chunks.length === 1 ? first.toString("utf8") : Buffer.concat(chunks).toString("utf8");
}
