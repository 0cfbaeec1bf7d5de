import { isObject } from "./backend-words.ts";
import type { StreamDialect } from "./streamed-answer.ts";

/** Anthropic's events of a message. */
export const streamedMessage: StreamDialect = {
  pathEnd: "/messages",
  asks: { stream: true },
  assemble() {
    let message: Record<string, unknown> = {};
    let text = "";
    let hasEnded = false;
    return {
      take(event) {
        if (event.type === "message_start" && isObject(event.message)) message = { ...event.message };
        if (event.type === "message_stop") hasEnded = true;
        if (event.type === "message_delta" && isObject(event.delta)) {
          const usage = { ...(message.usage as object), ...(event.usage as object) };
          message = { ...message, ...event.delta, usage };
        }
        const { delta } = event;
        if (!isObject(delta) || delta.type !== "text_delta" || typeof delta.text !== "string") return "";
        text += delta.text;
        return delta.text;
      },
      whole: () => (hasEnded ? { ...message, content: [{ type: "text", text }] } : undefined),
    };
  },
};
