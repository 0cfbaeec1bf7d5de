import { isObject } from "./backend-words.ts";
import type { HttpConnection, HttpRequest } from "./http.ts";
import { type Failure, type HttpResponse, isSuccess } from "./response.ts";

type Piece = Readonly<Record<string, unknown>>;

/** How a backend words an answer that comes in pieces. */
export interface StreamDialect {
  /** The end of the path at which it is asked so. */
  readonly pathEnd: string;
  /** What a request says beside, to be answered so. */
  readonly asks: Readonly<Record<string, unknown>>;
  /** Of these, an option that some servers refuse. */
  readonly refusable?: string;
  assemble(): Assembly;
}

/** One answer in pieces. */
export interface Assembly {
  /** Takes one piece; returns the text that it adds to the answer, "" if none. */
  take(piece: Piece): string;
  /** The body as it would have come at once; undefined while it has no end. */
  whole(): Piece | undefined;
}

/** What a call has that wants its answer in pieces. */
export interface Streaming {
  readonly dialect: StreamDialect;
  readonly onText: (delta: string) => void;
}

/**
 * Sends a request whose answer shall come in pieces, as events or lines, and returns its response as if it had come at
 * once: whoever reads answers need not know of streams. Of a server that does not stream it is what came. An answer that
 * breaks off is none, whatever was told of it.
 */
export async function sendStreamed(
  connection: HttpConnection,
  request: HttpRequest & { readonly body: string },
  { dialect, onText }: Streaming,
): Promise<HttpResponse | Failure> {
  const { asks, refusable } = dialect;
  const whole = JSON.parse(request.body) as object;
  const ask = (options: object) =>
    receive(connection, { ...request, body: JSON.stringify({ ...whole, ...options }) }, dialect.assemble(), onText);
  if (refusable === undefined) return ask(asks);
  const { [refusable]: _refused, ...others } = asks;
  if (refusing.has(connection)) return ask(others);
  const response = await ask(asks);
  if (response.kind !== "response" || isSuccess(response.status) || !response.text.includes(refusable)) return response;
  refusing.add(connection);
  return ask(others);
}

/** Connections to servers that have refused the option. */
const refusing = new WeakSet<HttpConnection>();

async function receive(
  connection: HttpConnection,
  request: HttpRequest,
  assembly: Assembly,
  onText: (delta: string) => void,
): Promise<HttpResponse | Failure> {
  let unread = "";
  let error: Piece | undefined;

  function takeLine(line: string): void {
    const piece = error === undefined ? pieceIn(line) : undefined;
    if (piece === undefined) return;
    if (piece.error !== undefined && piece.error !== null) {
      error = piece;
      return;
    }
    const delta = assembly.take(piece);
    if (delta !== "") onText(delta);
  }

  const response = await connection.send({
    ...request,
    onText(text) {
      const lines = (unread + text).split("\n");
      unread = lines.pop()!;
      for (const line of lines) takeLine(line);
    },
  });
  if (response.kind !== "response" || !isSuccess(response.status) || response.text !== "") return response;
  takeLine(unread);
  if (error !== undefined) return { ...response, status: statusOf(error), text: JSON.stringify(error) };
  const whole = assembly.whole();
  if (whole !== undefined) return { ...response, text: JSON.stringify(whole) };
  return { kind: "server-error", message: `${connection.host} broke off its answer` };
}

/** Of an event (`data: {…}`) or a line of JSON. What else a stream says has no text. */
function pieceIn(line: string): Piece | undefined {
  const text = line.startsWith("data:") ? line.slice("data:".length) : line;
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    const piece: unknown = JSON.parse(text);
    return isObject(piece) ? piece : undefined;
  } catch {
    return undefined;
  }
}

/** An error in the middle of a stream has no status of its own, but what it would have been often stands in it. */
function statusOf({ error }: Piece): number {
  const { code, type } = isObject(error) ? error : {};
  if (typeof code === "number" && code >= 400 && code < 600) return code;
  if (type === "overloaded_error") return 529;
  return type === "rate_limit_error" ? 429 : 500;
}
