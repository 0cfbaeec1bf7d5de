import { isObject } from "./backend-words.ts";
import type { ChatRequest } from "./chat-completion.ts";
import type { HttpResponse } from "./response.ts";

/**
 * Options that shape an answer and without which it still is one. Reasoning models refuse most of them; what asks for
 * another kind of answer (tools, a schema, several choices) is never left out.
 */
const leftOutIfRefused = new Set(
  ["temperature", "top_p", "stop", "seed", "presence_penalty", "frequency_penalty"].concat([
    "logit_bias",
    "logprobs",
    "top_logprobs",
  ]),
);
/** OpenAI's older and newer name for the same limit; a limit is not left out, it costs money. */
const olderLimit = "max_tokens";
const newerLimit = "max_completion_tokens";

/** The option that a model refuses to take, as its answer names it, if the request can do without. */
export function refusedOption({ status, text }: HttpResponse): string | undefined {
  if (status !== 400) return undefined;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  const error = isObject(body) ? body.error : undefined;
  if (!isObject(error) || typeof error.param !== "string") return undefined;
  const isRefused = error.code === "unsupported_value" || error.code === "unsupported_parameter";
  const canDoWithout = leftOutIfRefused.has(error.param) || error.param === olderLimit;
  return isRefused && canDoWithout ? error.param : undefined;
}

/** A request without the options that its model is known to refuse, and which of its own options these were. */
export function withoutRefused(
  request: ChatRequest,
  refused: ReadonlySet<string> | undefined,
): { readonly request: ChatRequest; readonly omitted: readonly string[] } {
  if (refused === undefined) return { request, omitted: [] };
  const left: Record<string, unknown> = { ...request };
  const omitted: string[] = [];
  for (const name of refused) {
    const value = left[name];
    delete left[name];
    if (value === undefined || value === null) continue;
    if (name === olderLimit) left[newerLimit] ??= value;
    else omitted.push(name);
  }
  return { request: left, omitted };
}

/** A row that is no OpenAI line has its limit under the newer name, which every model takes. */
export function withNewerLimit({ [olderLimit]: limit, ...request }: ChatRequest): ChatRequest {
  return { ...request, [newerLimit]: limit };
}
