import type { Answer } from "../src/job/outcome.ts";
import type { AnswerForm, Message } from "../src/job/row.ts";
import type { BackendCall } from "./adapter.ts";
import { constraintFor, withFormInWords } from "./answer-form.ts";
import { countOf, noAnswer } from "./answer-parts.ts";
import { errorIn, isObject } from "./backend-words.ts";
import { type ClassifyContext, classifyError } from "./classify.ts";
import { readOther } from "./other-endpoints.ts";
import type { Failure, HttpResponse } from "./response.ts";

export type ChatRequest = Readonly<Record<string, unknown>>;

/** The option of a request that holds the answer to a form. */
export type FormOption = (form: AnswerForm) => Readonly<Record<string, unknown>>;

/** Structured output as OpenAI has it, and most who speak its dialect. */
export const responseFormat: FormOption = (form) => {
  const { schema, isStrict } = constraintFor(form);
  const json_schema = { name: "answer", schema, ...(isStrict ? { strict: true } : {}) };
  return { response_format: { type: "json_schema", json_schema } };
};

type Read = { readonly kind: "answered"; readonly answer: Answer } | Failure;

/**
 * A request in OpenAI's chat dialect. A body that came as an OpenAI batch line is sent whole, but for its
 * model and for streaming.
 * @param withLimit false leaves out an output limit that is not the row's own.
 * @param formOption how the server is held to the row's form of an answer.
 */
export function chatRequest(call: BackendCall, withLimit: boolean, formOption = responseFormat): ChatRequest {
  const { model, request, maxOutputTokens, defaults } = call;
  if (request.openaiBody !== undefined) {
    // A response that goes on in the background would be asked for again and again.
    const { stream, stream_options, background, ...body } = request.openaiBody;
    if (!call.formInWords) return { ...body, model };
    const { response_format, messages, ...rest } = body;
    return { ...rest, messages: withFormInWords(messages as readonly Message[], call), model };
  }
  return {
    model,
    messages: withFormInWords(request.messages, call),
    // JSON.stringify leaves out what is undefined.
    max_tokens: request.maxOutputTokens ?? (withLimit ? maxOutputTokens : undefined),
    temperature: request.temperature ?? defaults.temperature,
    top_p: request.topP ?? defaults.topP,
    stop: request.stop ?? defaults.stop,
    seed: request.seed ?? defaults.seed,
    service_tier: defaults.serviceTier,
    priority: defaults.priority,
    ...(request.answerForm === undefined || call.formInWords ? {} : formOption(request.answerForm)),
  };
}

/** Reads a success: its answer, or why its body is none. */
export function readChatCompletion(response: HttpResponse, call: BackendCall, context: ClassifyContext): Read {
  let body: unknown;
  try {
    body = JSON.parse(response.text);
  } catch {
    return noAnswer(context.host, response, "is not JSON");
  }
  return readCompletionBody(body, response, call, context);
}

/** The same for a body that was parsed already. Checked by hand, as this is done once for every row. */
export function readCompletionBody(
  body: unknown,
  response: HttpResponse,
  call: BackendCall,
  context: ClassifyContext,
): Read {
  if (!isObject(body)) return noAnswer(context.host, response, "is no JSON object");
  const { endpoint } = call.request;
  if (endpoint !== undefined) return readOther(body, response, call, endpoint, context);
  const choices = body.choices;
  if (!Array.isArray(choices)) {
    const error = errorIn(body);
    if (error?.status !== undefined) return classifyError(error.status, error, response, context);
    return noAnswer(context.host, response, error === undefined ? "has no choices" : "holds an error, not an answer");
  }
  const choice: unknown = choices[0];
  if (!isObject(choice) || !isObject(choice.message)) return noAnswer(context.host, response, "has no choices");
  const text = textOf(choice.message);
  if (text === undefined) return noAnswer(context.host, response, "has a message without text");
  // A filter that cut an answer short leaves one, and its finish reason says so; here it left nothing.
  if (choice.finish_reason === "content_filter" && text === "") {
    return { kind: "content-filtered", message: `${context.host} refused to answer this prompt` };
  }
  return {
    kind: "answered",
    answer: {
      text,
      finishReason: typeof choice.finish_reason === "string" ? choice.finish_reason : "stop",
      usage: usageOf(body.usage),
      model: typeof body.model === "string" && body.model !== "" ? body.model : call.model,
      ...(call.request.openaiBody === undefined ? {} : { openaiBody: body }),
    },
  };
}

/** `null` is what comes with tool calls, a refusal, or thinking that used up the limit. */
function textOf({ content, refusal }: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof content === "string") return content;
  if (content === null || content === undefined) {
    if (typeof refusal === "string") return refusal;
    return content === null ? "" : undefined;
  }
  if (!Array.isArray(content)) return undefined;
  return content.map((part) => (isObject(part) && typeof part.text === "string" ? part.text : "")).join("");
}

/** Some servers leave out the usage, or parts of it. */
function usageOf(usage: unknown): Answer["usage"] {
  if (!isObject(usage)) return { inputTokens: 0, outputTokens: 0, cachedTokens: 0 };
  const details = usage.prompt_tokens_details;
  return {
    inputTokens: countOf(usage.prompt_tokens),
    outputTokens: countOf(usage.completion_tokens),
    cachedTokens: isObject(details) ? countOf(details.cached_tokens) : 0,
  };
}
