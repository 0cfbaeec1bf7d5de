import type { ResultLine } from "../job/result.ts";

export { readFlatResults } from "./read-results.ts";

/** A line of flat JSONL output: everything but the provider's whole answer, of which embeddings are the `json`. */
export function formatFlatLine(result: ResultLine): string {
  const { openai_body: body, anthropic_body: _left, ...flat } = result;
  const vectors = vectorsIn(body);
  return JSON.stringify(vectors === undefined ? flat : { ...flat, json: vectors });
}

/** The vector of a row with one text, else one for each text in its order; undefined for any other answer. */
function vectorsIn(body: ResultLine["openai_body"]): unknown {
  if (!Array.isArray(body?.data)) return undefined;
  const data = body.data as readonly { readonly index?: number; readonly embedding?: unknown }[];
  const inOrder = data.toSorted((one, other) => (one.index ?? 0) - (other.index ?? 0));
  const vectors = inOrder.map(({ embedding }) => embedding);
  return vectors.length === 1 ? vectors[0] : vectors;
}

/**
 * A line of OpenAI batch output. An answered row has `response` with status 200 and the provider's own body, or one made
 * of the flat fields when it answered in another dialect; a failed row has `response: null` and our error code. The votes
 * of a row that several models were asked stand beside.
 * @param createdSeconds for a made body; seconds since 1970.
 */
export function formatOpenaiLine(result: ResultLine, createdSeconds = Math.floor(Date.now() / 1000)): string {
  const number = result.index + 1;
  const answered = result.status === "answered";
  const body = chatBodyOf(result, createdSeconds);
  return JSON.stringify({
    id: `batch_req_${number}`,
    custom_id: result.id,
    response: answered ? { status_code: 200, request_id: `req_${number}`, body } : null,
    error: answered ? null : result.error,
    // JSON.stringify leaves out what is undefined.
    consensus: result.consensus,
  });
}

/** The body of an answer to one chat request: the provider's own, but for a text that was put into its form. */
export function chatBodyOf(result: ResultLine, createdSeconds?: number): Readonly<Record<string, unknown>> {
  const body = result.openai_body;
  if (body === undefined) return madeBody(result, createdSeconds ?? Math.floor(Date.now() / 1_000));
  if (result.json === undefined || !Array.isArray(body.choices)) return body;
  const [choice, ...others] = body.choices as { readonly message?: object }[];
  return { ...body, choices: [{ ...choice, message: { ...choice?.message, content: result.text } }, ...others] };
}

function madeBody({ index, text, model, finish_reason, usage }: ResultLine, created: number): Record<string, unknown> {
  const { input_tokens, output_tokens, cached_tokens } = usage;
  return {
    id: `chatcmpl-${index + 1}`,
    object: "chat.completion",
    created,
    model,
    choices: [{ index: 0, message: { role: "assistant", content: text }, logprobs: null, finish_reason }],
    usage: {
      prompt_tokens: input_tokens,
      completion_tokens: output_tokens,
      total_tokens: input_tokens + output_tokens,
      prompt_tokens_details: { cached_tokens },
    },
  };
}

const csvColumns: Readonly<Record<string, (result: ResultLine) => unknown>> = {
  id: (result) => result.id,
  index: (result) => result.index,
  task: (result) => result.task,
  status: (result) => result.status,
  text: ({ text, openai_body: body }) => text ?? JSON.stringify(vectorsIn(body)),
  model: (result) => result.model,
  tier: (result) => result.tier,
  finish_reason: (result) => result.finish_reason,
  input_tokens: (result) => result.usage.input_tokens,
  output_tokens: (result) => result.usage.output_tokens,
  cached_tokens: (result) => result.usage.cached_tokens,
  cost_usd: (result) => result.cost_usd,
  latency_ms: (result) => result.latency_ms,
  attempts: (result) => result.attempts,
  error_code: (result) => result.error?.code,
  error_message: (result) => result.error?.message,
  metadata: (result) => (result.metadata === undefined ? undefined : JSON.stringify(result.metadata)),
};
const readers = Object.values(csvColumns);

/** The names of the columns, without a line end. */
export function formatCsvHeader(): string {
  return Object.keys(csvColumns).join(",");
}

/**
 * A record of CSV output (RFC 4180), without a line end; an absent value is an empty cell. Texts are written as they are:
 * one that begins with `=`, `+`, `-` or `@` is a formula to a spreadsheet, so import the column as text.
 */
export function formatCsvRow(result: ResultLine): string {
  return readers.map((read) => cell(read(result))).join(",");
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return "";
  const text = String(value);
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
