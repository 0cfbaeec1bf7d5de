import { readConsensus } from "../config/consensus-rule.ts";
import { suggestName } from "../config/nearest.ts";
import { describe, fieldChecks, isObject, tooDeep } from "./field-checks.ts";
import type { RowOrReason } from "./flat-row.ts";

type Fields = Readonly<Record<string, unknown>>;

const lineFields = ["custom_id", "params", "task", "private", "consensus"];

/** Whether a line is a request of an Anthropic batch. */
export function isAnthropicLine(fields: Fields): boolean {
  return "custom_id" in fields && isObject(fields.params);
}

/** Reads `{custom_id, params}`, which may also carry `task`, `private` and `consensus`. */
export function readAnthropicRow(fields: Fields, id: string, system: string | undefined): RowOrReason {
  for (const name in fields) {
    if (!lineFields.includes(name)) return `unknown field "${name.slice(0, 60)}"; ${suggestName(name, lineFields)}`;
  }
  const { custom_id, task, private: isPrivate, consensus } = fields;
  if (typeof custom_id !== "string" || custom_id === "") {
    return `custom_id: expected a text that is not empty, found ${describe(custom_id)}`;
  }
  const params = fields.params as Fields;
  const wrong =
    checkFields("", { task: task ?? undefined, private: isPrivate, consensus: consensus ?? undefined }) ??
    checkFields("params.", { model: params.model, max_tokens: params.max_tokens }) ??
    checkParams(params);
  if (wrong !== undefined) return wrong;
  const rule = isObject(consensus) ? readConsensus(consensus) : undefined;
  if (typeof rule === "string") return rule;
  return {
    id,
    ...(typeof task === "string" ? { task } : {}),
    ...(typeof params.model === "string" ? { model: params.model } : {}),
    ...(rule === undefined ? {} : { consensus: rule }),
    private: isPrivate === true,
    request: {
      // The params hold them; a second copy would double what goes through Redis.
      messages: [],
      ...(typeof params.max_tokens === "number" ? { maxOutputTokens: params.max_tokens } : {}),
      anthropicBody: system === undefined || params.system !== undefined ? params : { ...params, system },
    },
  };
}

function checkFields(place: string, values: Fields): string | undefined {
  for (const [name, value] of Object.entries(values)) {
    const expected = value === undefined ? undefined : fieldChecks.get(name)!(value);
    if (expected !== undefined) return `${place}${name}: expected ${expected}, found ${describe(value)}`;
  }
  return undefined;
}

/** What the program itself relies on; the rest of the params is the backend's to judge. */
function checkParams({ messages, system, ...rest }: Fields): string | undefined {
  const expected = expectedOfMessages(messages);
  if (expected !== undefined) return `params.messages: expected ${expected}, found ${describe(messages)}`;
  const isSystem = system === undefined || system === null || isContent(system);
  if (!isSystem) return `params.system: expected a text or a list of blocks, found ${describe(system)}`;
  const nested = tooDeep([messages, system, rest]);
  return nested === undefined ? undefined : `params.*: expected ${nested}`;
}

function expectedOfMessages(messages: unknown): string | undefined {
  if (!Array.isArray(messages) || messages.length === 0) return "a list of messages that is not empty";
  for (const message of messages as unknown[]) {
    if (!isObject(message)) return "a list of objects, each with role and content";
    if (!["user", "assistant", "system"].includes(String(message.role))) {
      return "a role of user, assistant, system in every message";
    }
    if (!isContent(message.content)) return "a text or a list of blocks as every message's content";
  }
  return undefined;
}

const isContent = (value: unknown): boolean =>
  typeof value === "string" || (Array.isArray(value) && value.length > 0 && value.every(isObject));
