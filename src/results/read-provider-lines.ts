import { type ErrorCode, failedWithoutCall, type ResultLine } from "../job/result.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** The result that an answer in a provider's own form is; what it does not hold is absent. */
const bareAnswer = {
  task: null,
  status: "answered",
  tier: null,
  cost_usd: 0,
  latency_ms: 0,
  attempts: 1,
  error: null,
} as const;

/** Reads a line of OpenAI batch output; undefined when it is none. */
export function ofOpenai({ response, error }: Fields, id: string, index: number): ResultLine | undefined {
  const body = isObject(response) && response.status_code === 200 ? response.body : undefined;
  if (!isObject(body)) {
    const { code, message } = isObject(error) ? error : {};
    return failedWithoutCall(index, id, null, {
      code: (typeof code === "string" ? code : "rejected") as ErrorCode,
      message: typeof message === "string" ? message : "the answer is no success",
    });
  }
  const said = saidIn(body);
  if (said === undefined) return undefined;
  const usage = isObject(body.usage) ? body.usage : {};
  const details = usage.input_tokens_details ?? usage.prompt_tokens_details;
  return {
    id,
    index,
    ...bareAnswer,
    text: said.text,
    model: typeof body.model === "string" ? body.model : null,
    finish_reason: said.finishReason,
    usage: {
      input_tokens: countIn(usage, "input_tokens" in usage ? "input_tokens" : "prompt_tokens"),
      output_tokens: countIn(usage, "output_tokens" in usage ? "output_tokens" : "completion_tokens"),
      cached_tokens: countIn(details, "cached_tokens"),
    },
    openai_body: body,
  };
}

/** What the body of a chat, completion, response or embedding says; undefined when it is none of them. */
function saidIn(body: Fields): { readonly text: string | null; readonly finishReason: string | null } | undefined {
  if (Array.isArray(body.data)) return { text: null, finishReason: "stop" };
  if (Array.isArray(body.output)) {
    const parts = body.output.flatMap((item: unknown) =>
      isObject(item) && Array.isArray(item.content) ? (item.content as unknown[]) : [],
    );
    const texts = parts.map((part) => (isObject(part) && part.type === "output_text" ? String(part.text) : ""));
    return { text: texts.join(""), finishReason: null };
  }
  const choice: unknown = Array.isArray(body.choices) ? body.choices[0] : undefined;
  if (!isObject(choice)) return undefined;
  const text = isObject(choice.message) ? choice.message.content : choice.text;
  const reason = choice.finish_reason;
  return { text: typeof text === "string" ? text : "", finishReason: typeof reason === "string" ? reason : null };
}

/** Reads a line of the results of an Anthropic batch; undefined when it is none. */
export function ofAnthropic({ type, message, error }: Fields, id: string, index: number): ResultLine | undefined {
  if (type !== "succeeded") {
    const code = codesOfEndings[String(type)];
    const inner = isObject(error) && isObject(error.error) ? error.error : undefined;
    if (code === undefined && inner === undefined) return undefined;
    return failedWithoutCall(index, id, null, { code: code ?? "rejected", message: String(inner?.message ?? type) });
  }
  if (!isObject(message) || !Array.isArray(message.content)) return undefined;
  const texts = message.content.map((block) => (isObject(block) && block.type === "text" ? String(block.text) : ""));
  const cached = countIn(message.usage, "cache_read_input_tokens");
  return {
    id,
    index,
    ...bareAnswer,
    text: texts.join(""),
    model: typeof message.model === "string" ? message.model : null,
    finish_reason: null,
    usage: {
      input_tokens:
        countIn(message.usage, "input_tokens") + countIn(message.usage, "cache_creation_input_tokens") + cached,
      output_tokens: countIn(message.usage, "output_tokens"),
      cached_tokens: cached,
    },
    anthropic_body: message,
  };
}

const codesOfEndings: Readonly<Record<string, ErrorCode>> = { canceled: "cancelled", expired: "deadline_passed" };

export function countIn(fields: unknown, name: string): number {
  const value = isObject(fields) ? fields[name] : undefined;
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

export function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
