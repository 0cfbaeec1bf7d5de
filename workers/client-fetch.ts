import type { Outcome } from "../src/job/outcome.ts";
import type { PromptRequest } from "../src/job/row.ts";
import type { BackendCall, Endpoint, Probe } from "./adapter.ts";
import { inWordsIfRefused } from "./answer-form.ts";
import { noAnswer } from "./answer-parts.ts";
import { type ClassifyContext, classifyResponse } from "./classify.ts";
import type { HttpConnection } from "./http.ts";
import { withQuota } from "./rate-limit-headers.ts";
import { type Failure, type HttpResponse, isSuccess } from "./response.ts";
import { type StreamDialect, type Streaming, sendStreamed } from "./streamed-answer.ts";

/*
 * What lies between the official clients and our own connection: each client is given a `fetch` of ours, so that there
 * is one place where requests leave the process, and one where their ends get a meaning.
 */

/** A call on its way through a client: what bounds it (clients have no deadline over a whole call), and how it ended. */
export interface ClientRequest extends Pick<BackendCall, "private" | "signal"> {
  /** Its answer is wanted in pieces. */
  readonly streaming: Streaming | undefined;
  /** By `performance.now()`; it bounds all requests of the call together. */
  readonly deadlineMs: number;
  /** The end of the last request: clients know only answers and errors of their own. */
  ended: HttpResponse | Failure | undefined;
}

const probeTimeoutMs = 10_000;
/** For a client that wants a timeout: ours ends the call, and the client's timer never fires. */
export const longestTimeoutMs = 2_147_483_647;

/** What an adapter on an official client does itself; it may throw whatever its client throws. */
export interface ClientWork {
  ask(call: BackendCall, request: ClientRequest): Promise<Outcome>;
  listModels(request: ClientRequest): Promise<Probe>;
  /** How an answer comes in pieces. */
  readonly streams: StreamDialect;
  /** What an answer without success means. Default: as everywhere. */
  classify?(response: HttpResponse, context: ClassifyContext): Failure;
}

/** An endpoint that is asked by an official client. */
export function clientEndpoint(connection: HttpConnection, apiKey: string | undefined, work: ClientWork): Endpoint {
  const { host } = connection;
  const classify = work.classify ?? classifyResponse;
  const failed = (error: unknown, request: ClientRequest, prompt?: PromptRequest): Failure =>
    failureOf(error, request, host, (response) => classify(response, { host, apiKey, request: prompt }));
  return {
    call: inWordsIfRefused(async (call) => {
      const { onText } = call;
      const streaming = onText === undefined ? undefined : { dialect: work.streams, onText };
      const request = requestFor(call, streaming);
      let outcome: Outcome;
      try {
        outcome = await work.ask(call, request);
      } catch (error) {
        outcome = failed(error, request, call.request);
      }
      const response = responseTo(request);
      return response === undefined ? outcome : withQuota(outcome, response);
    }),
    async probe(signal) {
      const request = requestFor({ private: false, signal, timeoutMs: probeTimeoutMs });
      try {
        return await work.listModels(request);
      } catch (error) {
        return { usable: false, outcome: failed(error, request) };
      }
    },
    close: () => connection.close(),
  };
}

function requestFor(
  call: Pick<BackendCall, "private" | "signal" | "timeoutMs">,
  streaming?: Streaming | undefined,
): ClientRequest {
  const { private: isPrivate, signal, timeoutMs } = call;
  return { private: isPrivate, signal, streaming, deadlineMs: performance.now() + timeoutMs, ended: undefined };
}

/** The option with which a call of the OpenAI or the Anthropic client carries its request to `fetchThrough`. */
export function carrying(request: ClientRequest): { readonly fetchOptions: object } {
  return { fetchOptions: { carried: request } };
}

/**
 * A `fetch` for a client that many calls share.
 * @param passedHeaders what the client alone can know, in lower case; all other headers are the connection's own.
 */
export function fetchThrough(connection: HttpConnection, passedHeaders: readonly string[]): typeof fetch {
  return ((url: unknown, init: RequestInit & { readonly carried: ClientRequest }) =>
    sendFor(init.carried, connection, url, init, passedHeaders)) as typeof fetch;
}

/** @throws when there is no success to show to the client; the reason stands in `request.ended`. */
export async function sendFor(
  request: ClientRequest,
  connection: HttpConnection,
  url: unknown,
  { body, headers }: RequestInit = {},
  passedHeaders: readonly string[] = [],
): Promise<Response> {
  const { pathname, search } = new URL(String(url));
  const { private: isPrivate, signal, deadlineMs, streaming } = request;
  const timeoutMs = Math.round(deadlineMs - performance.now());
  if (timeoutMs <= 0) {
    request.ended = { kind: "timed-out", message: `no time was left to ask ${connection.host}` };
    throw noSuccess;
  }
  const common = {
    path: pathname + search,
    headers: passedHeaders.flatMap((name) => {
      const value = (headers as Headers).get(name);
      return value === null ? [] : [name, value];
    }),
    private: isPrivate,
    signal,
    timeoutMs,
  };
  const posted = typeof body === "string" ? { ...common, method: "POST" as const, body } : undefined;
  const isStreamed = posted !== undefined && streaming !== undefined && pathname.endsWith(streaming.dialect.pathEnd);
  const ended = isStreamed
    ? await sendStreamed(connection, posted, streaming)
    : await connection.send(posted ?? { ...common, method: "GET" });
  request.ended = ended;
  if (ended.kind === "response" && isSuccess(ended.status)) return responseOf(ended.text);
  throw noSuccess;
}

/** Why a client has no answer to give. */
function failureOf(
  error: unknown,
  { ended }: ClientRequest,
  host: string,
  classify: (response: HttpResponse) => Failure,
): Failure {
  if (ended === undefined) return cannotSay(host);
  if (ended.kind !== "response") return ended;
  if (!isSuccess(ended.status)) return classify(ended);
  return error instanceof SyntaxError ? noAnswer(host, ended, "is not JSON") : cannotSay(host);
}

/** What came back to the last request, if anything did. */
export function responseTo({ ended }: ClientRequest): HttpResponse | undefined {
  return ended?.kind === "response" ? ended : undefined;
}

/** The end of a call whose answer broke the client before it could be read. */
export function cannotSay(host: string): Failure {
  return { kind: "invalid-answer", message: `${host} gave an answer that its client cannot read` };
}

/** Its words must not speak of time: clients take such an error for one of their own timeouts. */
const noSuccess = new Error("no success");

/** Made when first needed: Node loads 30 ms of code for it. */
let jsonHeaders: Headers | undefined;

/** As much of a Response as the clients look at; a real one costs as much as the rest of the way. */
function responseOf(text: string): Response {
  jsonHeaders ??= new Headers({ "content-type": "application/json" });
  const response = {
    ok: true,
    status: 200,
    headers: jsonHeaders,
    body: null,
    text: async () => text,
    json: async () => JSON.parse(text) as unknown,
  };
  return response as unknown as Response;
}
