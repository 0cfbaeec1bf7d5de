import { limitFields, type OtherEndpoint } from "../job/endpoints.ts";
import type { Message } from "../job/row.ts";
import { checkMessages, describe, fieldChecks, isObject, tooDeep } from "./field-checks.ts";
import { refusedImage } from "./images.ts";

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => string | undefined;

const checkLimit = fieldChecks.get("max_tokens")!;
const checkModel = fieldChecks.get("model")!;

/** What the program itself relies on in a body; the rest is the backend's to judge. */
export function checkBody(body: Fields, endpoint: OtherEndpoint | undefined): string | undefined {
  const wrong = endpoint === undefined ? checkChat(body) : checkOther(body, endpoint);
  if (wrong !== undefined) return wrong;
  const expected = tooDeep(body);
  return expected === undefined ? undefined : `*: expected ${expected}`;
}

function checkChat({ messages, model, max_completion_tokens, max_tokens }: Fields): string | undefined {
  const wrong = checkFields("messages", [
    ["messages", messages, checkMessages],
    ["model", model, checkModel],
    ["max_completion_tokens", max_completion_tokens, checkLimit],
    ["max_tokens", max_tokens, checkLimit],
  ]);
  return wrong ?? checkImages("messages", messages);
}

/** What refers to something that is kept elsewhere cannot be weighed, put on record or found private. */
const referringFields = ["previous_response_id", "conversation", "prompt"];

function checkOther(body: Fields, endpoint: OtherEndpoint): string | undefined {
  const isResponse = endpoint === "/v1/responses";
  const referring = isResponse ? referringFields.find((name) => (body[name] ?? null) !== null) : undefined;
  if (referring !== undefined) {
    return `${referring}: expected all that is asked in the row itself, found what is kept elsewhere`;
  }
  const limit = limitFields[endpoint];
  const asked = endpoint === "/v1/completions" ? "prompt" : "input";
  const wrong = checkFields(asked, [
    [asked, body[asked], isResponse ? checkItems : checkTexts],
    ["model", body.model, checkModel],
    ...(limit === undefined ? [] : [[limit, body[limit], checkLimit] as const]),
  ]);
  return wrong ?? (isResponse ? checkImages("input", body.input) : undefined);
}

/** @param required the one field that must be there. */
function checkFields(required: string, checks: readonly (readonly [string, unknown, Check])[]): string | undefined {
  for (const [name, value, check] of checks) {
    const isAbsent = value === undefined || value === null;
    const expected = isAbsent && name !== required ? undefined : check(value);
    if (expected !== undefined) return `${name}: expected ${expected}, found ${describe(value)}`;
  }
  return undefined;
}

function checkImages(name: string, messages: unknown): string | undefined {
  const wrong = Array.isArray(messages) ? refusedImage(messages as Pick<Message, "content">[]) : undefined;
  return wrong === undefined ? undefined : `${name}: ${wrong}`;
}

function checkItems(value: unknown): string | undefined {
  const isList = Array.isArray(value) && value.length > 0 && value.every(isObject);
  return isText(value) || isList ? undefined : "a text or a list of items";
}

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";
const isTokens = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((token) => Number.isSafeInteger(token));

function checkTexts(value: unknown): string | undefined {
  const isList = Array.isArray(value) && value.length > 0 && (value.every(isText) || value.every(isTokens));
  return isText(value) || isList || isTokens(value) ? undefined : "a text, a list of texts, or tokens of them";
}
