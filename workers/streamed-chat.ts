import { isObject } from "./backend-words.ts";
import type { Assembly, StreamDialect } from "./streamed-answer.ts";

/** OpenAI's `chat.completion.chunk`, as all of its family have it. */
export const streamedChat: StreamDialect = {
  pathEnd: "/chat/completions",
  asks: { stream: true, stream_options: { include_usage: true } },
  refusable: "stream_options",
  assemble: assembleChat,
};

type Fields = Record<string, unknown>;

interface Choice {
  readonly message: Fields;
  finishReason: unknown;
}

function assembleChat(): Assembly {
  let head: Fields = {};
  let usage: unknown;
  const choices: Choice[] = [];

  return {
    take({ choices: deltas, usage: used, ...rest }) {
      head = { ...rest, ...head };
      if (isObject(used)) usage = used;
      let told = "";
      for (const one of Array.isArray(deltas) ? deltas : []) {
        if (!isObject(one)) continue;
        const index = typeof one.index === "number" ? one.index : 0;
        choices[index] ??= { message: { role: "assistant", content: null }, finishReason: null };
        const choice = choices[index];
        if (one.finish_reason !== null && one.finish_reason !== undefined) choice.finishReason = one.finish_reason;
        if (!isObject(one.delta)) continue;
        merge(choice.message, one.delta);
        if (index === 0 && typeof one.delta.content === "string") told += one.delta.content;
      }
      return told;
    },
    whole() {
      const all = choices.filter(isObject);
      if (all.length === 0 || all.some(({ finishReason }) => finishReason === null)) return undefined;
      return {
        ...head,
        object: "chat.completion",
        choices: all.map(({ message, finishReason }, index) => ({
          index,
          message,
          logprobs: null,
          finish_reason: finishReason,
        })),
        ...(usage === undefined ? {} : { usage }),
      };
    },
  };
}

/** Texts grow, a list (of tool calls) goes by the index of its members, all else is said once. */
function merge(target: Fields, delta: Readonly<Fields>): void {
  for (const [name, value] of Object.entries(delta)) {
    if (value === null || value === undefined) continue;
    const before = target[name];
    if (Array.isArray(value)) {
      const list = Array.isArray(before) ? before : [];
      for (const { index = list.length, ...member } of value.filter(isObject)) {
        list[Number(index)] ??= {};
        merge(list[Number(index)] as Fields, member);
      }
      target[name] = list;
    } else if (isObject(value)) {
      target[name] = isObject(before) ? { ...before } : {};
      merge(target[name] as Fields, value);
    } else if (typeof before === "string" && typeof value === "string" && before !== "") {
      if (!saidOnce.has(name)) target[name] = before + value;
    } else target[name] = value;
  }
}

/** Some servers repeat these with every piece. */
const saidOnce = new Set(["role", "id", "type", "name"]);
