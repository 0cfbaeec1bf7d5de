import type { BackendCall } from "./adapter.ts";
import { noAnswer } from "./answer-parts.ts";
import type { HttpConnection } from "./http.ts";
import { type Failure, type HttpResponse, isSuccess } from "./response.ts";

/*
 * What lies between the official clients and our own connection: each client is given a `fetch` of ours, so that there
 * is one place where requests leave the process, and one where their ends get a meaning.
 */

/** What bounds one request of a client. Clients have no deadline over the whole call, and some have no signal. */
type RequestBounds = Pick<BackendCall, "private" | "signal" | "timeoutMs">;

/** A request on its way through a client, and how it ended: clients know only answers and errors of their own. */
export interface ClientRequest extends RequestBounds {
  ended: HttpResponse | Failure | undefined;
}

export function clientRequest({ private: isPrivate, signal, timeoutMs }: RequestBounds): ClientRequest {
  return { private: isPrivate, signal, timeoutMs, ended: undefined };
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
  const sent = typeof body === "string" ? { method: "POST" as const, body } : { method: "GET" as const };
  const { private: isPrivate, signal, timeoutMs } = request;
  const ended = await connection.send({
    ...sent,
    path: pathname + search,
    headers: passedHeaders.flatMap((name) => {
      const value = (headers as Headers).get(name);
      return value === null ? [] : [name, value];
    }),
    private: isPrivate,
    signal,
    timeoutMs,
  });
  request.ended = ended;
  if (ended.kind === "response" && isSuccess(ended.status)) return responseOf(ended.text);
  throw noSuccess;
}

/** Why a client has no answer to give. */
export function failureOf(
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

/** The success that a client has just shown its caller. */
export function successOf({ ended }: ClientRequest): HttpResponse | undefined {
  return ended?.kind === "response" ? ended : undefined;
}

/** The end of a call whose answer broke the client before it could be read. */
export function cannotSay(host: string): Failure {
  return { kind: "invalid-answer", message: `${host} gave an answer that its client cannot read` };
}

/** Its words must not speak of time: clients take such an error for one of their own timeouts. */
const noSuccess = new Error("no success");

const jsonHeaders = new Headers({ "content-type": "application/json" });

/** As much of a Response as the clients look at; a real one costs as much as the rest of the way. */
function responseOf(text: string): Response {
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
