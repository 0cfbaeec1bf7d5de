import type { ChatRequest, ChatResponse } from "ollama/browser";
import type { Outcome } from "../src/job/outcome.ts";
import type { BackendCall } from "./adapter.ts";
import { countOf, noAnswer } from "./answer-parts.ts";
import { isObject } from "./backend-words.ts";
import { cannotSay } from "./client-fetch.ts";
import type { PlainRequest } from "./plain-request.ts";
import type { Failure, HttpResponse } from "./response.ts";
import type { StreamDialect } from "./streamed-answer.ts";

/** The body of `/api/chat`, or why there is none. */
export function chatRequest(
  model: string,
  plain: PlainRequest,
  contextTokens: number,
): (ChatRequest & { stream: false }) | Failure {
  const messages = [];
  for (const { role, text, imageUrls } of plain.messages) {
    const images = imageUrls.map((url) => /^data:[^,]*;base64,(.*)$/s.exec(url)?.[1]);
    if (images.includes(undefined)) {
      const message = "Ollama fetches no image: give this row a path or a data: URI in base64 instead of a URL";
      return { kind: "rejected", message };
    }
    messages.push({ role, content: text, ...(images.length > 0 ? { images: images as string[] } : {}) });
  }
  const { temperature, topP, stop, seed } = plain;
  return {
    model,
    messages,
    stream: false,
    ...(plain.answerSchema === undefined ? {} : { format: plain.answerSchema }),
    // Without these two, long prompts and long answers lose their beginning silently. The client's types lack them.
    ...{ truncate: false, shift: false },
    options: {
      num_ctx: contextTokens,
      num_predict: plain.maxOutputTokens,
      ...(temperature === undefined ? {} : { temperature }),
      ...(topP === undefined ? {} : { top_p: topP }),
      ...(stop === undefined ? {} : { stop: [...stop] }),
      ...(seed === undefined ? {} : { seed }),
    },
  };
}

/** A line a piece; the last one has what was counted. */
export const streamedLines: StreamDialect = {
  pathEnd: "/api/chat",
  asks: { stream: true },
  assemble() {
    let text = "";
    let last: Readonly<Record<string, unknown>> | undefined;
    return {
      take(line) {
        if (line.done === true) last = line;
        const delta = isObject(line.message) ? line.message.content : undefined;
        if (typeof delta !== "string") return "";
        text += delta;
        return delta;
      },
      whole: () => last && { ...last, message: { role: "assistant", content: text } },
    };
  },
};

/** Reads a success: its answer, or why it is none. */
export function readChat(
  answer: ChatResponse,
  response: HttpResponse | undefined,
  call: BackendCall,
  plain: PlainRequest,
  contextTokens: number,
  host: string,
): Outcome {
  const body: unknown = answer;
  if (!isObject(body) || !isObject(body.message) || typeof body.message.content !== "string") {
    return response ? noAnswer(host, response, "holds no message") : cannotSay(host);
  }
  // The server leaves out what is 0.
  const inputTokens = countOf(body.prompt_eval_count);
  if (wasCut(inputTokens, plain, contextTokens)) {
    const message = `${host} cut the prompt to fit ${contextTokens} tokens; set contextTokens of the model higher, or ask for less`;
    return { kind: "context-overflow", message };
  }
  return {
    kind: "answered",
    answer: {
      text: body.message.content,
      finishReason: typeof body.done_reason === "string" && body.done_reason !== "" ? body.done_reason : "stop",
      usage: { inputTokens, outputTokens: countOf(body.eval_count), cachedTokens: 0 },
      model: typeof body.model === "string" && body.model !== "" ? body.model : call.model,
      ...(plain.omittedOptions.length > 0 ? { omittedOptions: plain.omittedOptions } : {}),
    },
  };
}

/** Servers older than `truncate` cut silently: to the context's length, or by leaving out whole messages. */
function wasCut(inputTokens: number, { messages }: PlainRequest, contextTokens: number): boolean {
  if (inputTokens >= contextTokens) return true;
  const bytes = messages.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
  const estimatedTokens = bytes / 4;
  return inputTokens > 0 && estimatedTokens > contextTokens && inputTokens < estimatedTokens / 2;
}
