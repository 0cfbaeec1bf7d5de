import type { Ollama } from "ollama/browser";
import type { OtherEndpoint } from "../src/job/endpoints.ts";
import type { Outcome } from "../src/job/outcome.ts";
import type { BackendCall } from "./adapter.ts";
import { countOf } from "./answer-parts.ts";
import type { ClassifyContext } from "./classify.ts";
import { readOther } from "./other-endpoints.ts";
import { refuseOmissions } from "./plain-request.ts";
import type { Failure, HttpResponse } from "./response.ts";

type Body = Readonly<Record<string, unknown>>;

interface OtherCall {
  readonly client: Ollama;
  readonly call: BackendCall;
  readonly contextTokens: number;
  /** The response that the client has read. */
  readonly response: () => HttpResponse | undefined;
  readonly context: ClassifyContext;
}

/** An answer in OpenAI's words, or why there is none. */
type Said = { readonly body: Body; readonly omittedOptions: readonly string[] } | Failure;

/** Bodies for OpenAI's other endpoints, asked in Ollama's own way and answered in OpenAI's. */
export async function askOther(other: OtherCall, endpoint: OtherEndpoint): Promise<Outcome> {
  const said = endpoint === "/v1/embeddings" ? await embed(other) : await complete(other);
  if ("kind" in said) return said;
  const { call, context } = other;
  const read = readOther(said.body, other.response() ?? noResponse, call, endpoint, context);
  if (read.kind !== "answered" || said.omittedOptions.length === 0) return read;
  return { ...read, answer: { ...read.answer, omittedOptions: said.omittedOptions } };
}

const noResponse: HttpResponse = { kind: "response", status: 200, headers: {}, text: "" };

const completionOptions = new Set(
  ["model", "prompt", "suffix", "max_tokens", "temperature", "top_p", "stop", "seed"].concat(["user", "stream"]),
);

/** `/api/generate`, without the model's template: the text itself goes on. Between two texts it needs the template. */
async function complete({ client, call, contextTokens }: OtherCall): Promise<Said> {
  const body = call.request.openaiBody ?? {};
  const prompt = Array.isArray(body.prompt) && body.prompt.length === 1 ? body.prompt[0] : body.prompt;
  if (typeof prompt !== "string") return rejected("prompt is to be one text: Ollama takes neither several nor tokens");
  const omittedOptions = leftOut(body, completionOptions);
  const refusal = refuseOmissions(call, { omittedOptions });
  if (refusal !== undefined) return refusal;
  const { suffix, temperature, top_p, stop, seed } = body;
  const { model, response, done_reason, prompt_eval_count, eval_count } = await client.generate({
    model: call.model,
    prompt,
    ...(typeof suffix === "string" ? { suffix } : { raw: true }),
    stream: false,
    // As for chats; the client's types lack them.
    ...{ truncate: false, shift: false },
    options: {
      num_ctx: contextTokens,
      num_predict: typeof body.max_tokens === "number" ? body.max_tokens : call.maxOutputTokens,
      ...(typeof temperature === "number" ? { temperature } : {}),
      ...(typeof top_p === "number" ? { top_p } : {}),
      ...(typeof stop === "string" ? { stop: [stop] } : Array.isArray(stop) ? { stop: stop.map(String) } : {}),
      ...(typeof seed === "number" ? { seed } : {}),
    },
  });
  const choice = { index: 0, text: response, logprobs: null, finish_reason: done_reason || "stop" };
  const tokens = { prompt_tokens: countOf(prompt_eval_count), completion_tokens: countOf(eval_count) };
  const usage = { ...tokens, total_tokens: tokens.prompt_tokens + tokens.completion_tokens };
  return { body: { object: "text_completion", model, choices: [choice], usage }, omittedOptions };
}

const embeddingOptions = new Set(["model", "input", "dimensions", "encoding_format", "user"]);

/** `/api/embed`. */
async function embed({ client, call, contextTokens }: OtherCall): Promise<Said> {
  const body = call.request.openaiBody ?? {};
  const input = Array.isArray(body.input) ? body.input : [body.input];
  if (!input.every((text) => typeof text === "string")) return rejected("input is to be texts: Ollama takes no tokens");
  const omittedOptions = leftOut(body, embeddingOptions);
  const refusal = refuseOmissions(call, { omittedOptions });
  if (refusal !== undefined) return refusal;
  const answer = await client.embed({
    model: call.model,
    input,
    truncate: false,
    ...(typeof body.dimensions === "number" ? { dimensions: body.dimensions } : {}),
    options: { num_ctx: contextTokens },
  });
  const asText = body.encoding_format === "base64";
  const data = (Array.isArray(answer.embeddings) ? answer.embeddings : []).map((vector, index) => ({
    object: "embedding",
    index,
    embedding: asText ? Buffer.from(new Float32Array(vector).buffer).toString("base64") : vector,
  }));
  const tokens = countOf(answer.prompt_eval_count);
  const usage = { prompt_tokens: tokens, total_tokens: tokens };
  return { body: { object: "list", data, model: answer.model, usage }, omittedOptions };
}

const leftOut = (body: Body, taken: ReadonlySet<string>): string[] =>
  Object.keys(body).filter((name) => !taken.has(name) && body[name] !== null);

const rejected = (message: string): Failure => ({ kind: "rejected", message });
