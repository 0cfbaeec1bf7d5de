import { chatEndpoint, type OtherEndpoint } from "../src/job/endpoints.ts";
import type { Answer } from "../src/job/outcome.ts";
import type { BackendCall } from "./adapter.ts";
import { countOf, noAnswer } from "./answer-parts.ts";
import { errorIn, isObject } from "./backend-words.ts";
import { type ClassifyContext, classifyError } from "./classify.ts";
import type { Failure, HttpResponse } from "./response.ts";

type Body = Readonly<Record<string, unknown>>;
type Read = { readonly kind: "answered"; readonly answer: Answer } | Failure;
/** What is particular to an endpoint in a body; a text says what the body lacks. */
type Said = Pick<Answer, "text" | "finishReason"> | Failure | string;

/** Where a call is asked, below the path of the API. */
export const pathOf = ({ request }: BackendCall): string => (request.endpoint ?? chatEndpoint).slice("/v1".length);

/** Reads a success of an endpoint other than chat: its answer, or why its body is none. */
export function readOther(
  body: Body,
  response: HttpResponse,
  call: BackendCall,
  endpoint: OtherEndpoint,
  context: ClassifyContext,
): Read {
  const said = readers[endpoint](body, response, context);
  if (typeof said === "string") {
    const error = errorIn(body);
    if (error?.status !== undefined) return classifyError(error.status, error, response, context);
    return noAnswer(context.host, response, error === undefined ? said : "holds an error, not an answer");
  }
  if ("kind" in said) return said;
  if (said.finishReason === "content_filter" && said.text === "") {
    return { kind: "content-filtered", message: `${context.host} refused to answer this prompt` };
  }
  return {
    kind: "answered",
    answer: {
      ...said,
      usage: usageOf(body.usage),
      model: typeof body.model === "string" && body.model !== "" ? body.model : call.model,
      openaiBody: body,
    },
  };
}

const readers: Readonly<Record<OtherEndpoint, (body: Body, response: HttpResponse, context: ClassifyContext) => Said>> =
  {
    "/v1/embeddings": ({ data }) =>
      Array.isArray(data) && data.length > 0 && data.every((one) => isObject(one) && isVector(one.embedding))
        ? { text: "", finishReason: "stop" }
        : "has no embeddings",
    "/v1/completions": ({ choices }) => {
      const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
      if (!isObject(choice) || typeof choice.text !== "string") return "has no choices";
      const { text, finish_reason: reason } = choice;
      return { text, finishReason: typeof reason === "string" ? reason : "stop" };
    },
    "/v1/responses": readResponse,
  };

const isVector = (value: unknown): boolean => (Array.isArray(value) || typeof value === "string") && value.length > 0;

function readResponse(
  { output, status, error, incomplete_details: details }: Body,
  response: HttpResponse,
  context: ClassifyContext,
): Said {
  if (status === "failed" && isObject(error)) {
    // A response that began well has failed with status 200.
    const failed = errorIn({ error })!;
    const meant = failed.codes.includes("rate_limit") ? 429 : failed.codes.includes("server_error") ? 500 : 400;
    return classifyError(meant, failed, response, context);
  }
  if (!Array.isArray(output)) return "has no output";
  const items = output.filter(isObject);
  const parts = items.flatMap(({ content }) => (Array.isArray(content) ? content : [])).filter(isObject);
  const texts = parts.map(({ type, text, refusal }) => (type === "output_text" ? text : refusal));
  const text = texts.filter((one) => typeof one === "string").join("");
  if (status === "incomplete") {
    const reason = isObject(details) ? details.reason : undefined;
    return { text, finishReason: reason === "content_filter" ? reason : "length" };
  }
  const isCall = text === "" && items.some(({ type }) => typeof type === "string" && type.endsWith("_call"));
  return { text, finishReason: isCall ? "tool_calls" : "stop" };
}

/** Responses count in other words than the older endpoints. Some servers leave out the usage, or parts of it. */
function usageOf(usage: unknown): Answer["usage"] {
  if (!isObject(usage)) return { inputTokens: 0, outputTokens: 0, cachedTokens: 0 };
  const details = usage.input_tokens_details ?? usage.prompt_tokens_details;
  return {
    inputTokens: countOf(usage.input_tokens ?? usage.prompt_tokens),
    outputTokens: countOf(usage.output_tokens ?? usage.completion_tokens),
    cachedTokens: isObject(details) ? countOf(details.cached_tokens) : 0,
  };
}
