import { randomBytes } from "node:crypto";
import { chatEndpoint } from "../job/endpoints.ts";
import { chatBodyOf } from "../results/format-result.ts";
import { beginEvents, type OnlineForm } from "./online-form.ts";

interface CompletionBody {
  readonly choices?: readonly { readonly message?: { readonly tool_calls?: readonly object[] } }[];
  readonly usage?: unknown;
}

/** OpenAI's chat completions; pieces are `chat.completion.chunk` events. */
export const chatForm: OnlineForm = {
  path: chatEndpoint,
  newId: () => `chatcmpl-${randomBytes(12).toString("hex")}`,
  rowOf: (body, id) => ({ custom_id: id, method: "POST", url: chatEndpoint, body }),
  bodyOf: (result, id) => ({ ...chatBodyOf(result), id }),
  openStream(response, { id, model, includesUsage }) {
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
      beginEvents(response);
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
  },
};
