import type { Failure } from "./response.ts";

type End = (message: string) => Failure;

const unavailable =
  (scope: "tier" | "model", reason: "bad-key" | "no-credit" | "no-permission" | "model-missing"): End =>
  (message) => ({ kind: "unavailable", scope, reason, message });
const contextOverflow: End = (message) => ({ kind: "context-overflow", message });
const contentFiltered: End = (message) => ({ kind: "content-filtered", message });
const throttled: End = (message) => ({ kind: "throttled", message });
const unreachable: End = (message) => ({ kind: "unreachable", message });
const serverError: End = (message) => ({ kind: "server-error", message });
const invalidAnswer: End = (message) => ({ kind: "invalid-answer", message });
const rejected: End = (message) => ({ kind: "rejected", message });

/**
 * What aichat's words mean; the first that fits. It hands on what the provider says, with the `type` or `code` of its
 * error, but no status: `invalid_request_error` is said of a bad key as well.
 */
const meanings: readonly (readonly [RegExp, End])[] = [
  [/content_filter|content management policy|content_policy/i, contentFiltered],
  [
    /context_length_exceeded|exceed_context_size|context (length|size|window)|prompt is too long|max_input_tokens|too many tokens/i,
    contextOverflow,
  ],
  [
    /insufficient_quota|exceeded your current quota|credit balance|billing_error|status: 402/i,
    unavailable("tier", "no-credit"),
  ],
  [
    /miss 'api_key'|api key provided|invalid_api_key|api key not valid|authentication_error|x-api-key|unauthori[sz]ed|status: 401/i,
    unavailable("tier", "bad-key"),
  ],
  [
    /unknown chat model|not_found_error|model_not_found|model .* (does not exist|not found)/i,
    unavailable("model", "model-missing"),
  ],
  [/permission_error|permission_denied|does not have permission|status: 403/i, unavailable("tier", "no-permission")],
  [
    /rate.?limit|too many requests|resource_exhausted|overloaded|\(type: (requests|tokens)\)|status: (429|503|529)/i,
    throttled,
  ],
  [/client error \(Connect\)|dns error/i, unreachable],
  [/error sending request|connection error|status: 5\d\d|server_error|api_error|internal/i, serverError],
  [/error decoding response body|invalid response data/i, invalidAnswer],
  [/invalid_request_error|invalid_argument|status: 4\d\d/i, rejected],
  // Its own: a config that cannot be read, no provider, an option that this version does not have.
  [/failed to load|no available model|no tty|unexpected argument/i, unreachable],
];

/** @param stderr "Error: …", a blank line, "Caused by:" and the causes. @param quote makes words fit for a message. */
export function classifyAichatError(code: number, stderr: string, quote: (words: string) => string): Failure {
  const said = stderr
    .replace(/^Error: (Failed to call chat-completions api\s+Caused by:)?/, "")
    .replace(/^\s*\d+: /gm, "")
    .trim();
  const message = said === "" ? `aichat ended with exit code ${code} and no words` : `aichat says: ${quote(said)}`;
  // A failed request names its URL, which may hold any of the words.
  const words = said.replace(/for url \(\S*\)/, "");
  const meaning = meanings.find(([pattern]) => pattern.test(words));
  return meaning === undefined ? serverError(message) : meaning[1](message);
}
