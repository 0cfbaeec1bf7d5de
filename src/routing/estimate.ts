import type { Message, PromptRequest } from "../job/row.ts";

/** What a request is worth in tokens, before any model has seen it. */
export interface RequestWeight {
  /** By rule of thumb; a pool corrects it by what its model has reported for others. */
  readonly inputTokens: number;
  /** No tokenizer makes more of it: a token is a byte at least. */
  readonly mostInputTokens: number;
}

const bytesPerToken = 4;
/** Of characters beyond ASCII: three bytes are a character of Chinese, Japanese or Korean, and about one token. */
const bytesPerTokenBeyondAscii = 3;
const tokensPerMessage = 4;
const mostTokensPerMessage = 32;
const tokensPerImage = 1_000;
/** The dearest way that we know of in which a provider counts one image. */
const mostTokensPerImage = 50_000;

/** What is said of an answer that does not fit, without the form itself. */
const mostMendingBytes = 4_096;

/** Four bytes a token, three beyond ASCII; what is no text (an image) counts by the piece. Pure. */
export function weighRequest({ messages: own, openaiBody, anthropicBody, answerForm }: PromptRequest): RequestWeight {
  const body = openaiBody ?? anthropicBody;
  const { messages = own, input, prompt, ...rest } = body ?? {};
  let inputTokens = 3;
  let mostInputTokens = mostTokensPerMessage;
  for (const piece of [...piecesOf(messages), ...piecesOf(input ?? prompt)]) {
    const { text, others } = partsOf(piece);
    const bytes = Buffer.byteLength(text);
    // A character of n bytes has a length of 1 (2 for one of 4 bytes): of three bytes two are beyond its length.
    const beyondAscii = Math.min(bytes, 1.5 * (bytes - text.length));
    inputTokens += (bytes - beyondAscii) / bytesPerToken + beyondAscii / bytesPerTokenBeyondAscii;
    inputTokens += tokensPerMessage + others * tokensPerImage;
    mostInputTokens += bytes + mostTokensPerMessage + others * mostTokensPerImage;
  }
  // Tools and schemas are input too; a form's words come a second time when an answer is to be mended, which is rare.
  const restBytes = body === undefined ? 0 : Buffer.byteLength(JSON.stringify(rest));
  const formBytes = answerForm === undefined ? 0 : Buffer.byteLength(JSON.stringify(answerForm));
  const mostFormBytes = answerForm === undefined ? 0 : 2 * formBytes + mostMendingBytes;
  return {
    inputTokens: Math.ceil(inputTokens + (restBytes + formBytes) / bytesPerToken),
    mostInputTokens: Math.ceil(mostInputTokens + restBytes + mostFormBytes),
  };
}

/** Messages, items of a response's input, or texts; a list of numbers is one text as tokens. */
function piecesOf(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) && typeof value[0] !== "number" ? value : [value];
}

/** Anthropic's blocks that are read as text, whatever they hold it in. */
const textualBlocks: ReadonlySet<unknown> = new Set([
  "tool_use",
  "tool_result",
  "document",
  "search_result",
  "thinking",
]);

function partsOf(piece: unknown): { text: string; others: number } {
  if (typeof piece === "string") return { text: piece, others: 0 };
  const { content } = piece as Partial<Message>;
  if (typeof content === "string") return { text: content, others: 0 };
  // Calls of tools and their answers, tokens.
  if (!Array.isArray(content)) return { text: JSON.stringify(piece), others: 0 };
  let text = "";
  let others = 0;
  for (const part of content as readonly Record<string, unknown>[]) {
    if (typeof part?.text === "string") text += part.text;
    else if (textualBlocks.has(part?.type)) text += JSON.stringify(part);
    else others++;
  }
  return { text, others };
}
