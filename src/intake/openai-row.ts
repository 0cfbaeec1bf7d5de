import { readConsensus } from "../config/consensus-rule.ts";
import { suggestName } from "../config/nearest.ts";
import { chatEndpoint, isOtherEndpoint, limitFields, type OtherEndpoint, otherEndpoints } from "../job/endpoints.ts";
import type { Message } from "../job/row.ts";
import { describe, fieldChecks, isObject } from "./field-checks.ts";
import { type RowOrReason, withSystem } from "./flat-row.ts";
import { checkBody } from "./openai-body.ts";

type Fields = Readonly<Record<string, unknown>>;

const lineFields = ["custom_id", "method", "url", "body", "task", "private", "consensus"];

/** Whether a line is of OpenAI's batch format, and not a flat row with a column of such a name. */
export function isOpenaiLine(fields: Fields): boolean {
  if (isObject(fields.body)) return "custom_id" in fields || "url" in fields || "method" in fields;
  return "custom_id" in fields && "url" in fields && "method" in fields;
}

/** Reads `{custom_id, method, url, body}`, which may also carry `task`, `private` and `consensus`. */
export function readOpenaiRow(fields: Fields, id: string, system: string | undefined): RowOrReason {
  for (const name in fields) {
    if (!lineFields.includes(name)) return `unknown field "${name.slice(0, 60)}"; ${suggestName(name, lineFields)}`;
  }
  const { custom_id, method, url: target, body, task, private: isPrivate, consensus } = fields;
  if (custom_id !== undefined && (typeof custom_id !== "string" || custom_id === "")) {
    return `custom_id: expected a text that is not empty, found ${describe(custom_id)}`;
  }
  const endpoint = isOtherEndpoint(target) ? target : undefined;
  const isKnown = target === undefined || target === chatEndpoint || endpoint !== undefined;
  if ((method !== undefined && method !== "POST") || !isKnown) {
    return `method and url: expected POST and one of ${[chatEndpoint, ...otherEndpoints].join(", ")}, found another`;
  }
  if (!isObject(body)) return `body: expected an object, found ${describe(body)}`;
  for (const [name, value] of [
    ["task", task],
    ["private", isPrivate],
    ["consensus", consensus],
  ] as const) {
    const isAbsent = value === undefined || (value === null && name !== "private");
    const expected = isAbsent ? undefined : fieldChecks.get(name)!(value);
    if (expected !== undefined) return `${name}: expected ${expected}, found ${describe(value)}`;
  }
  const rule = isObject(consensus) ? readConsensus(consensus) : undefined;
  if (typeof rule === "string") return rule;
  const wrong = checkBody(body, endpoint);
  if (wrong !== undefined) return `body.${wrong}`;
  const sent = endpoint === undefined ? withSystemMessage(body, system) : withInstructions(body, endpoint, system);
  if (typeof sent === "string") return sent;

  const limit = limitOf(body, endpoint);
  return {
    id,
    ...(typeof task === "string" ? { task } : {}),
    ...(typeof body.model === "string" ? { model: body.model } : {}),
    ...(rule === undefined ? {} : { consensus: rule }),
    private: isPrivate === true,
    request: {
      // The body holds them; a second copy would double what goes through Redis.
      messages: [],
      ...(typeof limit === "number" ? { maxOutputTokens: limit } : {}),
      openaiBody: sent,
      ...(endpoint === undefined ? {} : { endpoint }),
    },
  };
}

function withSystemMessage(body: Fields, system: string | undefined): Fields {
  const messages = withSystem(body.messages as Message[], undefined, system);
  return messages === body.messages ? body : { ...body, messages };
}

function withInstructions(body: Fields, endpoint: OtherEndpoint, system: string | undefined): Fields | string {
  if (system === undefined) return body;
  if (endpoint === "/v1/responses") return { ...body, instructions: body.instructions ?? system };
  return `url: expected an endpoint that takes a system prompt beside --system, found ${endpoint}; leave --system out`;
}

function limitOf(body: Fields, endpoint: OtherEndpoint | undefined): unknown {
  if (endpoint === undefined) return body.max_completion_tokens ?? body.max_tokens;
  const name = limitFields[endpoint];
  return name === undefined ? undefined : body[name];
}
