import { isObject } from "./backend-words.ts";
import type { StreamDialect } from "./streamed-answer.ts";

type Fields = Record<string, unknown>;

/** Anthropic's events of a message. */
export const streamedMessage: StreamDialect = {
  pathEnd: "/messages",
  asks: { stream: true },
  assemble() {
    let message: Fields = {};
    const blocks: Fields[] = [];
    let hasEnded = false;
    return {
      take({ type, index, delta, message: begun, content_block: block, usage }) {
        if (type === "message_start" && isObject(begun)) message = { ...begun };
        if (type === "message_stop") hasEnded = true;
        if (type === "message_delta" && isObject(delta)) {
          message = { ...message, ...delta, usage: { ...(message.usage as Fields), ...(usage as Fields) } };
        }
        if (typeof index !== "number") return "";
        if (type === "content_block_start" && isObject(block)) blocks[index] = { ...block };
        if (type !== "content_block_delta" || !isObject(delta)) return "";
        blocks[index] ??= { type: "text", text: "" };
        const grown = blocks[index];
        if (typeof delta.partial_json === "string") append(grown, "input_json", delta.partial_json);
        for (const name of ["text", "thinking", "signature"]) {
          if (typeof delta[name] === "string") append(grown, name, delta[name]);
        }
        return typeof delta.text === "string" ? delta.text : "";
      },
      whole: () => (hasEnded ? { ...message, content: blocks.filter(isObject).map(withInput) } : undefined),
    };
  },
};

function append(block: Fields, name: string, text: string): void {
  block[name] = ((block[name] as string | undefined) ?? "") + text;
}

/** What a tool is called with comes as JSON in pieces. */
function withInput({ input_json: json, ...block }: Fields): Fields {
  if (typeof json !== "string") return block;
  try {
    return { ...block, input: JSON.parse(json || "{}") };
  } catch {
    return block;
  }
}
