import type { JsonSchema, Message } from "../src/job/row.ts";
import type { BackendCall } from "./adapter.ts";
import { constraintFor, withFormInWords } from "./answer-form.ts";
import { isObject } from "./backend-words.ts";
import type { Failure } from "./response.ts";

/** A call for a backend that does not speak OpenAI's dialect: what it can take, and what had to be left out. */
export interface PlainRequest {
  readonly messages: readonly PlainMessage[];
  readonly maxOutputTokens: number;
  readonly temperature: number | undefined;
  readonly topP: number | undefined;
  readonly stop: readonly string[] | undefined;
  readonly seed: number | undefined;
  /** What the backend is to hold its answer to; undefined when the row asks for no form, or is asked for it in words. */
  readonly answerSchema: JsonSchema | undefined;
  /** Keys of an OpenAI body that ask for something this backend is not asked for. */
  readonly omittedOptions: readonly string[];
}

export interface PlainMessage {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly text: string;
  /** URLs as they were given, `data:` ones included. */
  readonly imageUrls: readonly string[];
}

const understoodKeys = new Set(
  ["model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "seed"].concat(
    // These change nothing about one answer that is not streamed.
    ["stream", "stream_options", "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key"],
  ),
);

/** For a strict row: the refusal to leave out what it asks for. */
export function refuseOmissions(
  call: BackendCall,
  { omittedOptions }: Pick<PlainRequest, "omittedOptions">,
): Failure | undefined {
  if (!call.strict || omittedOptions.length === 0) return undefined;
  return { kind: "rejected", message: `${call.model} cannot take ${omittedOptions.join(", ")} (--strict)` };
}

/** Brings the row's options, those of an OpenAI body and the model's defaults together, in this order. */
export function plainRequest(call: BackendCall): PlainRequest {
  const { request, maxOutputTokens, defaults, formInWords } = call;
  const form = request.answerForm;
  const body = request.openaiBody ?? {};
  const bodyMessages = Array.isArray(body.messages) ? (body.messages as readonly Message[]) : undefined;
  const bodyStop = typeof body.stop === "string" ? [body.stop] : body.stop;
  return {
    messages: withFormInWords(bodyMessages ?? request.messages, call).map(plainMessage),
    answerSchema: form === undefined || formInWords ? undefined : constraintFor(form).schema,
    maxOutputTokens:
      request.maxOutputTokens ?? numberIn(body.max_completion_tokens) ?? numberIn(body.max_tokens) ?? maxOutputTokens,
    temperature: request.temperature ?? numberIn(body.temperature) ?? defaults.temperature,
    topP: request.topP ?? numberIn(body.top_p) ?? defaults.topP,
    stop: request.stop ?? (Array.isArray(bodyStop) ? bodyStop.map(String) : undefined) ?? defaults.stop,
    seed: request.seed ?? numberIn(body.seed) ?? defaults.seed,
    omittedOptions: Object.keys(body).filter((key) => {
      const isForm = key === "response_format" && form !== undefined;
      return !isForm && !understoodKeys.has(key) && body[key] !== null;
    }),
  };
}

function plainMessage({ role, content }: Message): PlainMessage {
  const parts = typeof content === "string" ? [{ type: "text", text: content }] : (content ?? []);
  const images = parts.map((part) => (isObject(part) && isObject(part.image_url) ? part.image_url.url : undefined));
  return {
    // "developer" is OpenAI's newer word for the same.
    role: role === "developer" ? "system" : role,
    text: parts.map((part) => (isObject(part) && typeof part.text === "string" ? part.text : "")).join(""),
    imageUrls: images.filter((url) => typeof url === "string"),
  };
}

function numberIn(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
