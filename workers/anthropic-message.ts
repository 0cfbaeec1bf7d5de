import type { ImageBlockParam, MessageCreateParamsNonStreaming } from "@anthropic-ai/sdk/resources/messages";
import type { Answer } from "../src/job/outcome.ts";
import type { BackendCall } from "./adapter.ts";
import { countOf, noAnswer } from "./answer-parts.ts";
import { isObject } from "./backend-words.ts";
import type { PlainMessage, PlainRequest } from "./plain-request.ts";
import type { Failure, HttpResponse } from "./response.ts";

/** The API refuses these, whatever their value. */
const refusedOptions = [
  ["temperature", "temperature"],
  ["topP", "top_p"],
  ["seed", "seed"],
] as const;

/** The same request without what this API does not take, which is named in `omittedOptions`. */
export function withoutRefused(plain: PlainRequest): PlainRequest {
  const refused = refusedOptions.filter(([key]) => plain[key] !== undefined).map(([, name]) => name);
  // Sequences of white space only are refused as well.
  const stop = plain.stop?.filter((sequence) => /\S/.test(sequence));
  if (stop?.length !== plain.stop?.length) refused.push("stop" as never);
  if (refused.length === 0) return plain;
  return { ...plain, stop, omittedOptions: [...plain.omittedOptions, ...refused] };
}

/** The body of `/v1/messages`, and what of the row's options it does not hold. */
export interface MessageRequest {
  readonly message: MessageCreateParamsNonStreaming;
  readonly omittedOptions: readonly string[];
}

const refusedParams = ["temperature", "top_p", "top_k"];

/** For a row that came as a request of an Anthropic batch: its own params, but for its model and for streaming. */
export function wholeRequest({ model, request, maxOutputTokens }: BackendCall): MessageRequest | undefined {
  if (request.anthropicBody === undefined) return undefined;
  const { stream, ...params } = request.anthropicBody;
  const kept = Object.entries(params).filter(([name]) => !refusedParams.includes(name));
  const message = { max_tokens: maxOutputTokens, ...Object.fromEntries(kept), model };
  const omittedOptions = refusedParams.filter((name) => (params[name] ?? null) !== null);
  return { message: message as unknown as MessageCreateParamsNonStreaming, omittedOptions };
}

/** The same of any other row, or why there is none. */
export function messageRequest(model: string, plain: PlainRequest): MessageRequest | Failure {
  const system = plain.messages.filter(({ role, text }) => role === "system" && text !== "").map(({ text }) => text);
  const messages: MessageCreateParamsNonStreaming["messages"] = [];
  for (const message of plain.messages) {
    const { role, text } = message;
    if (role === "system") continue;
    if (role === "tool") return { kind: "rejected", message: "messages of a tool cannot be given to Anthropic here" };
    const images = imagesOf(message);
    if (images === undefined) {
      return { kind: "rejected", message: "Anthropic takes images as http(s) URLs and as data: URLs in base64 only" };
    }
    const content = images.length === 0 ? text : [...images, ...(text === "" ? [] : [{ type: "text" as const, text }])];
    messages.push({ role, content });
  }
  const message = {
    model,
    max_tokens: plain.maxOutputTokens,
    messages,
    ...(plain.answerSchema === undefined
      ? {}
      : { output_config: { format: { type: "json_schema" as const, schema: { ...plain.answerSchema } } } }),
    ...(system.length > 0 ? { system: system.join("\n\n") } : {}),
    ...(plain.stop !== undefined && plain.stop.length > 0 ? { stop_sequences: [...plain.stop] } : {}),
  };
  return { message, omittedOptions: plain.omittedOptions };
}

/** Images in Anthropic's form; undefined when one is none that this API takes. */
function imagesOf({ imageUrls }: PlainMessage): ImageBlockParam[] | undefined {
  const images: ImageBlockParam[] = [];
  for (const url of imageUrls) {
    const [, type, data] = /^data:([^;,]+)[^,]*;base64,(.*)$/s.exec(url) ?? [];
    if (type !== undefined && data !== undefined) {
      // Which types it takes is for the API to say.
      images.push({ type: "image", source: { type: "base64", media_type: type as "image/png", data } });
    } else if (/^https?:\/\//.test(url)) images.push({ type: "image", source: { type: "url", url } });
    else return undefined;
  }
  return images;
}

/** Reads a success: its answer, or why it is none. */
export function readMessage(
  body: unknown,
  response: HttpResponse,
  { model, request }: BackendCall,
  omittedOptions: readonly string[],
  host: string,
): { readonly kind: "answered"; readonly answer: Answer } | Failure {
  if (!isObject(body) || !Array.isArray(body.content)) return noAnswer(host, response, "holds no message");
  const texts = body.content.map((block) => (isObject(block) && block.type === "text" ? block.text : ""));
  const text = texts.filter((one) => typeof one === "string").join("");
  const finishReason = finishReasonOf(body.stop_reason);
  if (finishReason === "content_filter" && text === "") {
    const category = isObject(body.stop_details) ? body.stop_details.category : undefined;
    const why = typeof category === "string" ? ` (${category})` : "";
    return { kind: "content-filtered", message: `${host} refused to answer this prompt${why}` };
  }
  return {
    kind: "answered",
    answer: {
      text,
      finishReason,
      usage: usageOf(body.usage),
      model: typeof body.model === "string" && body.model !== "" ? body.model : model,
      ...(request.anthropicBody === undefined ? {} : { anthropicBody: body }),
      ...(omittedOptions.length > 0 ? { omittedOptions } : {}),
    },
  };
}

/** Anthropic's stop reason in OpenAI's words; one that has no such word stays as it is. */
export function finishReasonOf(stopReason: unknown): string {
  switch (stopReason) {
    case "end_turn":
    case "stop_sequence":
      return "stop";
    case "max_tokens":
    case "model_context_window_exceeded":
      return "length";
    case "tool_use":
      return "tool_calls";
    case "refusal":
      return "content_filter";
    default:
      return typeof stopReason === "string" && stopReason !== "" ? stopReason : "stop";
  }
}

/** Anthropic counts what its cache held, and what went into it, beside `input_tokens`; here they are part of it. */
function usageOf(usage: unknown): Answer["usage"] {
  if (!isObject(usage)) return { inputTokens: 0, outputTokens: 0, cachedTokens: 0 };
  const cachedTokens = countOf(usage.cache_read_input_tokens);
  return {
    inputTokens: countOf(usage.input_tokens) + countOf(usage.cache_creation_input_tokens) + cachedTokens,
    outputTokens: countOf(usage.output_tokens),
    cachedTokens,
  };
}
