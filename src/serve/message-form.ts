import { randomBytes } from "node:crypto";
import { anthropicMessageOf } from "../results/format-anthropic.ts";
import { beginEvents, type Fields, type OnlineForm } from "./online-form.ts";

/** Anthropic's messages; pieces are its events. */
export const messageForm: OnlineForm = {
  path: "/v1/messages",
  newId: () => `msg_${randomBytes(12).toString("hex")}`,
  rowOf: (params, id) => ({ custom_id: id, params }),
  bodyOf: (result, id) => ({ ...anthropicMessageOf(result), id }),
  openStream(response, { id, model }) {
    const send = (type: string, more: object = {}) =>
      void response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`);
    const head = { id, type: "message", role: "assistant", model, content: [], stop_reason: null, stop_sequence: null };
    let hasText = false;

    function begin(): void {
      if (response.headersSent) return;
      beginEvents(response);
      send("message_start", { message: { ...head, usage: { input_tokens: 0, output_tokens: 0 } } });
    }

    function sendBlock(block: Fields, index: number): void {
      const isTool = block.type === "tool_use";
      send("content_block_start", { index, content_block: isTool ? { ...block, input: {} } : block });
      const json = isTool ? { type: "input_json_delta", partial_json: JSON.stringify(block.input ?? {}) } : undefined;
      if (json !== undefined) send("content_block_delta", { index, delta: json });
      send("content_block_stop", { index });
    }

    return {
      hasBegun: () => response.headersSent,
      tell(text) {
        begin();
        if (!hasText)
          send("content_block_start", { index: 0, content_block: { type: "text", text: "", citations: null } });
        hasText = true;
        send("content_block_delta", { index: 0, delta: { type: "text_delta", text } });
      },
      end(result) {
        begin();
        if (hasText) send("content_block_stop", { index: 0 });
        const { content, stop_reason, stop_sequence, usage } = anthropicMessageOf(result);
        const others = (content as readonly Fields[]).filter(({ type }) => type !== "text");
        for (const [at, block] of others.entries()) sendBlock(block, at + (hasText ? 1 : 0));
        send("message_delta", { delta: { stop_reason, stop_sequence }, usage });
        send("message_stop");
        response.end();
      },
      breakOff({ message }) {
        send("error", { error: { type: "api_error", message } });
        response.end();
      },
    };
  },
};
