import { suggestName } from "../config/nearest.ts";
import type { Message } from "../job/row.ts";
import { checkMessages, describe, fieldChecks, isObject, tooDeep } from "./field-checks.ts";
import { type RowOrReason, withSystem } from "./flat-row.ts";
import { refusedImage } from "./images.ts";

type Fields = Readonly<Record<string, unknown>>;

const lineFields = ["custom_id", "method", "url", "body", "task", "private"];
const url = "/v1/chat/completions";

/** Whether a line is of OpenAI's batch format, and not a flat row with a column of such a name. */
export function isOpenaiLine(fields: Fields): boolean {
  if (isObject(fields.body)) return "custom_id" in fields || "url" in fields || "method" in fields;
  return "custom_id" in fields && "url" in fields && "method" in fields;
}

/** Reads `{custom_id, method, url, body}`, which may also carry `task` and `private`. */
export function readOpenaiRow(fields: Fields, id: string, system: string | undefined): RowOrReason {
  for (const name in fields) {
    if (!lineFields.includes(name)) return `unknown field "${name.slice(0, 60)}"; ${suggestName(name, lineFields)}`;
  }
  const { custom_id, method, url: target, body, task, private: isPrivate } = fields;
  if (custom_id !== undefined && (typeof custom_id !== "string" || custom_id === "")) {
    return `custom_id: expected a text that is not empty, found ${describe(custom_id)}`;
  }
  if ((method !== undefined && method !== "POST") || (target !== undefined && target !== url)) {
    return `method and url: expected POST ${url}, the one that is supported so far, found another`;
  }
  if (!isObject(body)) return `body: expected an object, found ${describe(body)}`;
  for (const [name, value] of [
    ["task", task],
    ["private", isPrivate],
  ] as const) {
    const isAbsent = value === undefined || (value === null && name !== "private");
    const expected = isAbsent ? undefined : fieldChecks.get(name)!(value);
    if (expected !== undefined) return `${name}: expected ${expected}, found ${describe(value)}`;
  }
  const wrong = checkBody(body);
  if (wrong !== undefined) return `body.${wrong}`;

  const messages = withSystem(body.messages as Message[], undefined, system);
  const limit = body.max_completion_tokens ?? body.max_tokens;
  return {
    id,
    ...(typeof task === "string" ? { task } : {}),
    ...(typeof body.model === "string" ? { model: body.model } : {}),
    private: isPrivate === true,
    request: {
      // The body holds them; a second copy would double what goes through Redis.
      messages: [],
      ...(typeof limit === "number" ? { maxOutputTokens: limit } : {}),
      openaiBody: messages === body.messages ? body : { ...body, messages },
    },
  };
}

/** What the program itself relies on; the rest of a body is the backend's to judge. */
function checkBody(body: Fields): string | undefined {
  const checks: [string, unknown, ((value: unknown) => string | undefined) | undefined][] = [
    ["messages", body.messages ?? [], checkMessages],
    ["model", body.model, fieldChecks.get("model")],
    ["max_completion_tokens", body.max_completion_tokens, fieldChecks.get("max_tokens")],
    ["max_tokens", body.max_tokens, fieldChecks.get("max_tokens")],
  ];
  for (const [name, value, check] of checks) {
    const expected = value === undefined || value === null ? undefined : check!(value);
    if (expected !== undefined) return `${name}: expected ${expected}, found ${describe(value)}`;
  }
  const wrong = Array.isArray(body.messages) ? refusedImage(body.messages as Message[]) : undefined;
  if (wrong !== undefined) return `messages: ${wrong}`;
  const expected = tooDeep(body);
  return expected === undefined ? undefined : `*: expected ${expected}`;
}
