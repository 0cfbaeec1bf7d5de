import type { Response } from "express";
import type { ResultLine } from "../job/result.ts";
import { chatBodyOf } from "../results/format-result.ts";
import type { Refusal } from "./online-refusal.ts";

/** An answer as OpenAI's `chat.completion.chunk` events; nothing is sent before the first of them. */
export interface ChatStream {
  tell(delta: string): void;
  hasBegun(): boolean;
  /** The end of an answer, with what of it is no text. */
  end(result: ResultLine): void;
  /** The end of one that has begun and will not be whole. */
  breakOff(refusal: Refusal): void;
}

export interface ChatStreamOptions {
  readonly id: string;
  readonly model: string;
  readonly includesUsage: boolean;
}

interface CompletionBody {
  readonly choices?: readonly { readonly message?: { readonly tool_calls?: readonly object[] } }[];
  readonly usage?: unknown;
}

export function openChatStream(response: Response, { id, model, includesUsage }: ChatStreamOptions): ChatStream {
  const created = Math.floor(Date.now() / 1_000);
  const send = (event: unknown) => void response.write(`data: ${JSON.stringify(event)}\n\n`);
  /** With usage asked for, each chunk but the last has none. */
  const noUsage = includesUsage ? { usage: null } : {};
  const chunk = (choices: readonly object[], more: object = noUsage) =>
    send({ id, object: "chat.completion.chunk", created, model, choices, ...more });
  const delta = (said: object, finish_reason: string | null = null) =>
    chunk([{ index: 0, delta: said, logprobs: null, finish_reason }]);

  function begin(): void {
    if (response.headersSent) return;
    response.setHeader("Content-Type", "text/event-stream; charset=utf-8");
    // Proxies would gather the pieces.
    response.setHeader("X-Accel-Buffering", "no");
    delta({ role: "assistant", content: "" });
  }

  return {
    hasBegun: () => response.headersSent,
    tell(text) {
      begin();
      delta({ content: text });
    },
    end(result) {
      begin();
      const body = chatBodyOf(result) as CompletionBody;
      const calls = body.choices?.[0]?.message?.tool_calls;
      if (calls !== undefined) delta({ tool_calls: calls.map((call, index) => ({ index, ...call })) });
      delta({}, result.finish_reason ?? "stop");
      if (includesUsage) chunk([], { usage: body.usage });
      response.end("data: [DONE]\n\n");
    },
    breakOff({ message, code }) {
      send({ error: { message, type: "server_error", param: null, code } });
      response.end();
    },
  };
}
