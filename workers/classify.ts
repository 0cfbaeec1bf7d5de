import type { PromptRequest } from "../src/job/row.ts";
import { type BackendError, quotable, readBackendError } from "./backend-words.ts";
import type { Failure, HttpResponse } from "./response.ts";
import { retryAfterMs } from "./retry-after.ts";

/** What must not be repeated in a message, and who is speaking. */
export interface ClassifyContext {
  /** Host and port. */
  readonly host: string;
  readonly apiKey?: string | undefined;
  readonly request?: PromptRequest | undefined;
}

const filterCodes = /content_filter|content_policy|moderation|responsibleaipolicy|invalid_prompt/;
const contextCodes = /context_length_exceeded|exceed_context_size|context_window_exceeded/;
const contextWords =
  /context (length|size|window)|maximum (model|context) length|max_model_len|prompt is too long|input is too long|input length|too many (input )?tokens/i;
const spendLimitCodes = /spend_limit/;
/** Anthropic says these two under 400, with a code that stands for many things. */
const spendLimitWords = /reached your specified .{0,20}usage limits/i;
const creditCodes = /insufficient_quota|billing|payment_required|credit/;
const creditWords = /credit balance is too low/i;
const missingModelCodes = /model_not_found|model_not_exist|invalid_model/;
const missingModelWords =
  /\bmodel\b.*\b(not exist|not found|does not exist|no such model|not loaded|not supported)|unknown model|invalid model name/i;
const blindWords =
  /image input is not supported|not a multimodal model|missing data required for image input|does not support (image|vision)/i;
const endpointWords = /\bendpoint\b|(generate|support) embeddings|(embeddings|completions|responses) api\b/i;
const busyWords =
  /busy|loading|starting|overload|capacity|queue|pending|too many|rate limit|admission|try again|retry/i;

/** What an HTTP status and an error body mean for the call. For any status but a success; also for an error in a 200. */
export function classifyResponse(response: HttpResponse, context: ClassifyContext): Failure {
  return classifyError(response.status, readBackendError(response.text), response, context);
}

/** The same for an error that was read already. */
export function classifyError(
  status: number,
  error: BackendError,
  { headers }: Pick<HttpResponse, "headers">,
  { host, apiKey, request }: ClassifyContext,
): Failure {
  const words = quotable(error.message, request, apiKey);
  const message = `${host} answers ${status}${words === "" ? "" : `: ${words}`}`;
  const retryAfter = retryAfterMs(headers);
  const waiting = retryAfter === undefined ? {} : { retryAfterMs: retryAfter };
  const { codes } = error;

  if (status >= 300 && status < 400) {
    const target = String(headers.location ?? "another place").split("?")[0];
    const advice = `${host} answers ${status} and points to ${target}; redirects are not followed: put the final address into baseUrl`;
    return { kind: "unreachable", message: advice };
  }
  if (filterCodes.test(codes)) return { kind: "content-filtered", message };
  if (isContextOverflow(status, error)) return { kind: "context-overflow", message };
  if (missingModelCodes.test(codes)) return { kind: "unavailable", scope: "model", reason: "model-missing", message };
  // A limit of money does not heal by waiting as a limit of speed does.
  if ([400, 402, 403, 429].includes(status)) {
    if (spendLimitCodes.test(codes) || spendLimitWords.test(error.message)) {
      return { kind: "unavailable", scope: "tier", reason: "spend-limit", message };
    }
    if (status === 402 || creditCodes.test(codes) || creditWords.test(error.message)) {
      return { kind: "unavailable", scope: "tier", reason: "no-credit", message };
    }
  }
  if (request?.endpoint !== undefined && isMissingEndpoint(status, error)) {
    // No reason to take the server or the model for one that is missing: both answer chats.
    return { kind: "rejected", message: `${message} (${request.endpoint} is not there for this model)` };
  }
  // llama.cpp says so under 500.
  if (blindWords.test(error.message)) {
    return { kind: "rejected", message: `${message}; name a model that sees images` };
  }
  switch (status) {
    case 401:
      return { kind: "unavailable", scope: "tier", reason: "bad-key", message };
    case 403:
      return {
        kind: "unavailable",
        scope: /\bmodel\b/i.test(error.message) ? "model" : "tier",
        reason: "no-permission",
        message,
      };
    case 404:
      if (/\bmodel\b/i.test(error.message)) {
        return { kind: "unavailable", scope: "model", reason: "model-missing", message };
      }
      return { kind: "unreachable", message: `${message}; is the path of its baseUrl right?` };
    case 405:
      return { kind: "unreachable", message: `${message}; is the path of its baseUrl right?` };
    case 429:
      // OpenAI: one prompt is longer than what a minute allows; waiting would never help.
      if (/^request too large/i.test(error.message)) return { kind: "context-overflow", message };
      return { kind: "throttled", message, ...waiting };
    case 408:
    case 409:
    case 425:
    case 529:
      return { kind: "throttled", message, ...waiting };
    case 503:
      if (retryAfter !== undefined || busyWords.test(error.message) || busyWords.test(codes)) {
        return { kind: "throttled", message, ...waiting };
      }
      return { kind: "server-error", message };
  }
  if (status >= 500) return { kind: "server-error", message, ...waiting };
  if (status === 400 && missingModelWords.test(error.message)) {
    return { kind: "unavailable", scope: "model", reason: "model-missing", message };
  }
  return { kind: "rejected", message };
}

/** OpenAI says 403 and 404 of a model that is none for an endpoint, llama.cpp 501, and others know no such path. */
function isMissingEndpoint(status: number, { message }: BackendError): boolean {
  if (status === 405 || status === 501) return true;
  if (![400, 403, 404].includes(status)) return false;
  return endpointWords.test(message) || (status === 404 && !/\bmodel\b/i.test(message));
}

function isContextOverflow(status: number, { codes, message }: BackendError): boolean {
  if (contextCodes.test(codes) || status === 413) return true;
  // LocalAI hands on its engine's words under 500.
  return [400, 422, 500].includes(status) && contextWords.test(message);
}
