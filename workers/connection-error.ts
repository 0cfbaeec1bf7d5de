import { messageOf } from "../src/job/errors.ts";
import { NotLocalError } from "./location-guard.ts";
import type { Failure } from "./response.ts";

/** How far a request had come when its connection failed. */
interface Progress {
  /** A connection was there and the request may have left. */
  readonly sent: boolean;
  /** The headers of an answer had come. */
  readonly answering: boolean;
  /** Of a private row. */
  readonly private: boolean;
}

/** What an error of a connection, a look-up or a TLS handshake means for the call. */
export function classifyConnectionError(error: Error, host: string, progress: Progress): Failure {
  const { sent, answering } = progress;
  const refusal = causes(error).find((cause) => cause instanceof NotLocalError);
  // That a tier is not where it is said to be is no fault of a row which might go anywhere.
  if (refusal !== undefined)
    return { kind: progress.private ? "refused-by-policy" : "unreachable", message: refusal.message };
  const code = codeOf(error);
  if (code === "UND_ERR_DESTROYED" || code === "UND_ERR_CLOSED") {
    return { kind: "cancelled", message: `the connection to ${host} was closed by this side` };
  }
  // What is not HTTP at all is another program on that port.
  if (!answering && error.name === "HTTPParserError") {
    return { kind: "unreachable", message: `${host} does not speak HTTP; is its port right?` };
  }
  // A proxy that wants another password: undici says so after the request has gone to it, and only to it.
  const isProxyRefusal = /proxy authentication required/i.test(error.message);
  if (!sent || isProxyRefusal)
    return { kind: "unreachable", message: `${host} cannot be reached: ${wordsFor(code, error)}` };
  const when = answering ? "in the middle of its answer" : "before it answered";
  const message = `${host} broke the connection ${when} (${code || messageOf(error)})`;
  return { kind: "server-error", message, unanswered: true };
}

function causes(error: Error): unknown[] {
  const inner = error instanceof AggregateError ? error.errors : [];
  return [error, error.cause, ...inner];
}

/** The first code among the error, its cause and what it gathers (one error for each address of a name). */
function codeOf(error: Error): string {
  for (const cause of causes(error)) {
    const code = (cause as { code?: unknown } | undefined)?.code;
    if (typeof code === "string") return code;
  }
  return "";
}

const wordsByCode: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused; is the server running, and is its port right?",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "its name cannot be looked up now",
  EHOSTUNREACH: "no way to that host",
  ENETUNREACH: "no way to that network",
  ETIMEDOUT: "no answer to the attempt to connect",
  UND_ERR_CONNECT_TIMEOUT: "no answer to the attempt to connect",
  EPROTO: "no TLS there; is it http instead of https?",
  ERR_SSL_WRONG_VERSION_NUMBER: "no TLS there; is it http instead of https?",
  CERT_HAS_EXPIRED: "its certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is self-signed; NODE_EXTRA_CA_CERTS names a file of trusted ones",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is self-signed; NODE_EXTRA_CA_CERTS names a file of trusted ones",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate cannot be verified; NODE_EXTRA_CA_CERTS names trusted ones",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another host",
};

/** What went wrong on the way, for somebody to read. */
export const connectionWords = (error: Error): string => wordsFor(codeOf(error), error);

function wordsFor(code: string, error: Error): string {
  const words = wordsByCode[code] ?? (messageOf(error) || "the connection failed");
  return code === "" ? words : `${words} (${code})`;
}
