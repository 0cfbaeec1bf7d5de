import type { PromptRequest } from "../src/job/row.ts";

/** An error body in the one shape that classification reads, whatever dialect it came in. */
export interface BackendError {
  readonly message: string;
  /** `code`, `type` and the like, in lower case, joined by spaces; empty strings left out. */
  readonly codes: string;
  /** A status that the body names, for those who answer 200 to everything. */
  readonly status: number | undefined;
}

const longestWords = 500;
/** As much of an image in a prompt as is looked for in a backend's words. */
const longestImageBytes = 4_096;

/**
 * Reads `{"error":{…}}` (OpenAI, Anthropic, vLLM, LocalAI, llama.cpp), `{"error":"…"}` (Ollama), `{"message":…}`,
 * `{"detail":…}` (FastAPI), HTML and plain text.
 */
export function readBackendError(text: string): BackendError {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { message: plainText(text), codes: "", status: undefined };
  }
  return errorIn(body) ?? { message: plainText(text), codes: "", status: undefined };
}

/** The error that a parsed body holds, or undefined when it holds none. */
export function errorIn(body: unknown): BackendError | undefined {
  if (!isObject(body)) return undefined;
  const { error, detail } = body;
  if (typeof error === "string") return { message: error, codes: "", status: undefined };
  if (isObject(error)) return fromObject(error);
  if (typeof detail === "string") return { message: detail, codes: "", status: undefined };
  if (Array.isArray(detail)) {
    const messages = detail.map((one) => (isObject(one) ? String(one.msg ?? "") : String(one)));
    return { message: messages.join("; "), codes: "", status: undefined };
  }
  return typeof body.message === "string" ? fromObject(body) : undefined;
}

function fromObject(error: Readonly<Record<string, unknown>>): BackendError {
  const inner = [error.innererror, error.details].filter(isObject);
  const codes = [error, ...inner].flatMap(({ code, type, error_code: errorCode }) => [code, type, errorCode]);
  const status = [error.code, error.status].map(Number).find((number) => number >= 400 && number < 600);
  return {
    message: typeof error.message === "string" ? error.message : JSON.stringify(error),
    codes: codes
      .filter((one) => typeof one === "string" && one !== "")
      .join(" ")
      .toLowerCase(),
    status,
  };
}

/** What a person would see of a page. */
function plainText(text: string): string {
  const title = /<title>([^<]*)<\/title>/i.exec(text)?.[1];
  return title ?? text.slice(0, 4 * longestWords).replace(/<[^>]*>/g, " ");
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The backend's words as they may stand in a message: on one line, cut at 500 characters, without the key, and left out
 * altogether when they repeat the prompt (some servers quote the request in their error).
 */
export function quotable(words: string, request: PromptRequest | undefined, apiKey: string | undefined): string {
  let text = words;
  if (apiKey) text = text.replaceAll(apiKey, "[key]");
  if (request !== undefined && promptTexts(request).some((prompt) => repeats(text, prompt))) {
    return "its words repeat the prompt and are left out";
  }
  text = text.replace(/\s+/g, " ").trim();
  return text.length > longestWords ? `${text.slice(0, longestWords - 1)}…` : text;
}

/** Every text of the request: servers quote whichever part they did not like. */
function promptTexts({ messages, openaiBody, anthropicBody }: PromptRequest): string[] {
  const { model, ...body } = openaiBody ?? anthropicBody ?? {};
  return textsIn([messages.map(({ content }) => content), body]);
}

function textsIn(value: unknown): string[] {
  // Nobody quotes a whole image, and looking for its parts would take seconds.
  if (typeof value === "string") return [value.startsWith("data:") ? value.slice(0, longestImageBytes) : value];
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(textsIn);
}

/** Long enough to be nobody's common words, short enough to find a prompt between escapes. */
const telltaleLength = 16;

/** Whether `words` hold the whole prompt, or any run of twice `telltaleLength` of it. */
function repeats(words: string, prompt: string): boolean {
  const whole = prompt.trim();
  // Role names, types of parts and the like are no secret and stand in many an error.
  if (whole.length < 4 || /^[a-z_]{1,12}$/.test(whole)) return false;
  if (words.includes(whole)) return true;
  for (let at = 0; at + telltaleLength <= words.length && at < 4 * longestWords; at += telltaleLength) {
    if (whole.includes(words.slice(at, at + telltaleLength))) return true;
  }
  return false;
}
