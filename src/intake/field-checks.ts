import type { Message } from "../job/row.ts";
import type { RowField } from "./row-fields.ts";

/** What a field must be, in words that follow "expected", or undefined when the value is that. */
type Check = (value: unknown) => string | undefined;

const roles: ReadonlySet<unknown> = new Set<Message["role"]>(["system", "user", "assistant", "tool", "developer"]);

/** Objects and lists inside of one another; JSON.stringify gives up at some thousands, no request needs more. */
const deepestNesting = 100;

export const fieldChecks: ReadonlyMap<string, Check> = new Map<RowField, Check>([
  [
    "id",
    (value) =>
      (typeof value === "string" && value !== "") || typeof value === "number" ? undefined : "a text or a number",
  ],
  ["task", (value) => (isText(value) ? undefined : "the name of a task")],
  ["model", (value) => (isText(value) ? undefined : "the name of a model")],
  ["prompt", (value) => (isText(value) ? undefined : "a text that is not empty")],
  ["system", (value) => (typeof value === "string" ? undefined : "a text")],
  ["messages", checkMessages],
  [
    "max_tokens",
    (value) => (Number.isSafeInteger(value) && (value as number) > 0 ? undefined : "a whole number above 0"),
  ],
  ["temperature", (value) => (typeof value === "number" && value >= 0 ? undefined : "a number of at least 0")],
  ["top_p", (value) => (typeof value === "number" && value >= 0 && value <= 1 ? undefined : "a number from 0 to 1")],
  ["seed", (value) => (Number.isSafeInteger(value) ? undefined : "a whole number")],
  [
    "stop",
    (value) =>
      isText(value) || (Array.isArray(value) && value.length > 0 && value.every(isText))
        ? undefined
        : "a text or a list of texts",
  ],
  ["private", (value) => (typeof value === "boolean" ? undefined : "true or false")],
  ["metadata", (value) => (isObject(value) ? tooDeep(value) : "an object")],
  ["schema", (value) => (isObject(value) ? tooDeep(value) : "a JSON schema, which is an object")],
  ["choices", expectedOfChoices],
  ["consensus", (value) => (isObject(value) ? tooDeep(value) : 'an object such as { "models": ["a", "b", "c"] }')],
  [
    "images",
    (value) =>
      isText(value) || (Array.isArray(value) && value.every(isText))
        ? undefined
        : "a list of images, each a path, an http(s) URL or a data: URI",
  ],
]);

/** What a list of choices must be, or undefined when it is that. */
export function expectedOfChoices(value: unknown): string | undefined {
  const isList = Array.isArray(value) && value.length > 1 && value.every(isText);
  return isList && new Set(value).size === value.length ? undefined : "a list of at least two different texts";
}

/** Of a flat row or of an OpenAI body; the content of parts is the backend's to judge. */
export function checkMessages(value: unknown): string | undefined {
  if (!Array.isArray(value) || value.length === 0) return "a list of messages that is not empty";
  for (const message of value as unknown[]) {
    if (!isObject(message)) return "a list of objects, each with role and content";
    if (!roles.has(message.role)) return `a role of ${[...roles].join(", ")} in every message`;
    const { content } = message;
    // A message of tool calls has no text.
    const isCall = message.role === "assistant" && (content === null || content === undefined);
    const isParts = Array.isArray(content) && content.length > 0 && content.every(isObject);
    if (typeof content !== "string" && !isParts && !isCall)
      return "a text or a list of parts as every message's content";
  }
  return tooDeep(value);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Says so when a value could not be written as JSON again. */
export function tooDeep(value: unknown): string | undefined {
  return nestsDeeper(value, deepestNesting)
    ? `at most ${deepestNesting} lists and objects inside of one another`
    : undefined;
}

function nestsDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  for (const inside of Array.isArray(value) ? value : Object.values(value)) {
    if (typeof inside === "object" && inside !== null && nestsDeeper(inside, levels - 1)) return true;
  }
  return false;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.trim() !== "";
}

/** A found value for a message. Texts are never quoted: they may be private. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (typeof value === "string") return value.trim() === "" ? "an empty text" : "a text";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  return typeof value === "object" ? "an object" : String(value);
}
