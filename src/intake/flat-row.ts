import { readConsensus } from "../config/consensus-rule.ts";
import { suggestName } from "../config/nearest.ts";
import type { AnswerForm, Message, PromptRequest, PromptRow } from "../job/row.ts";
import { answerFormOf } from "./answer-form.ts";
import { describe, fieldChecks, isObject, tooDeep } from "./field-checks.ts";
import { withImages } from "./images.ts";
import { type RowField, rowFields } from "./row-fields.ts";
import { fillTemplate, type Template } from "./template.ts";

/** A row, or why it is none, in words that follow the line number. */
export type RowOrReason = PromptRow | string;

export interface FlatRowOptions {
  readonly prompt?: Template;
  /** For rows that have none. */
  readonly system?: string;
  /** For rows that ask for none. */
  readonly answerForm?: AnswerForm | undefined;
  /** Where paths of images begin; without it no file is read for a row. */
  readonly imageFolder?: string | undefined;
}

type Fields = Readonly<Record<string, unknown>>;

/** Reads one flat row (DESIGN.md 4.1). Written by hand, as this is done for every row. */
export function readFlatRow(fields: Fields, id: string, options: FlatRowOptions): RowOrReason {
  const template = options.prompt;
  let columns: [string, unknown][] | undefined;
  for (const name in fields) {
    const value = fields[name];
    const check = isColumn(name, template) ? undefined : fieldChecks.get(name);
    if (check !== undefined) {
      // Null is how many exports write an absent field; about privacy nothing is guessed.
      if (value === null && name !== "private") continue;
      const expected = check(value);
      if (expected !== undefined) return `${name}: expected ${expected}, found ${describe(value)}`;
    } else if (template === undefined) {
      return unknownField(name);
    } else {
      const expected = tooDeep(value);
      if (expected !== undefined) return `${name}: expected ${expected}`;
      columns ??= [];
      columns.push([name, value]);
    }
  }
  const texts = messagesOf(fields, options);
  if (typeof texts === "string") return texts;
  const asked = template === undefined ? fields : withoutColumns(fields, template);
  const messages = withImages(texts, (asked.images ?? undefined) as string | string[] | undefined, options.imageFolder);
  if (typeof messages === "string") return messages;
  const answerForm = answerFormOf(asked) ?? options.answerForm;
  if (typeof answerForm === "string") return answerForm;
  const consensus = isGiven(asked.consensus) ? readConsensus(asked.consensus) : undefined;
  if (typeof consensus === "string") return consensus;
  const { task, model, metadata } = fields;
  const kept = columns === undefined ? metadata : { ...Object.fromEntries(columns), ...(metadata as Fields | null) };
  return {
    id,
    ...(isGiven(task) ? { task: task as string } : {}),
    ...(isGiven(model) ? { model: model as string } : {}),
    ...(consensus === undefined ? {} : { consensus }),
    private: fields.private === true,
    request: requestOf(fields, messages, answerForm),
    ...(isGiven(kept) ? { metadata: kept as Fields } : {}),
  };
}

/** Older templates may use a column of a later field's name: they mean the column. */
const laterFields: ReadonlySet<string> = new Set<RowField>(["schema", "choices", "images", "consensus"]);

function isColumn(name: string, template: Template | undefined): boolean {
  if (template === undefined) return false;
  return laterFields.has(name) ? template.variables.includes(name) : !fieldChecks.has(name);
}

function withoutColumns(fields: Fields, template: Template): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !isColumn(name, template)));
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** What a failed row gives back, as far as it can be told: its metadata and, with a template, its columns. */
export function metadataOf(fields: Fields, template: Template | undefined): Fields | undefined {
  const own = isObject(fields.metadata) && tooDeep(fields.metadata) === undefined ? fields.metadata : undefined;
  if (template === undefined) return own;
  const columns = Object.entries(fields).filter(
    ([name, value]) => isColumn(name, template) && tooDeep(value) === undefined,
  );
  return { ...Object.fromEntries(columns), ...own };
}

function messagesOf(fields: Fields, { prompt: template, system: systemOfRun }: FlatRowOptions): Message[] | string {
  const given = isGiven(fields.messages) ? (fields.messages as Message[]) : undefined;
  let prompt = isGiven(fields.prompt) ? (fields.prompt as string) : undefined;
  if (template !== undefined) {
    if (given !== undefined) return "messages: expected none beside a prompt template, found some; leave one out";
    const filled = fillTemplate(template, fields);
    if ("missing" in filled) {
      const there = Object.keys(fields).slice(0, 20).join(", ") || "none";
      return `the prompt template needs {{${filled.missing}}}, which this row does not have (its columns: ${there})`;
    }
    prompt = filled.prompt;
    if (prompt.trim() === "") return "the prompt template gives an empty prompt for this row";
  }
  if (given !== undefined && prompt !== undefined) return "expected prompt or messages, found both; leave one out";
  const messages: Message[] | undefined =
    given ?? (prompt === undefined ? undefined : [{ role: "user", content: prompt }]);
  if (messages === undefined) return "expected prompt or messages, found neither; add one, or give --prompt";
  return withSystem(messages, isGiven(fields.system) ? (fields.system as string) : undefined, systemOfRun);
}

/** The row's own system prompt goes first; that of the run only where the row has none. */
export function withSystem(messages: Message[], own: string | undefined, ofRun: string | undefined): Message[] {
  if (own !== undefined) return own === "" ? messages : [{ role: "system", content: own }, ...messages];
  if (ofRun === undefined || messages.some(({ role }) => role === "system" || role === "developer")) return messages;
  return [{ role: "system", content: ofRun }, ...messages];
}

function requestOf(fields: Fields, messages: Message[], answerForm: AnswerForm | undefined): PromptRequest {
  const { max_tokens, temperature, top_p, stop, seed } = fields;
  return {
    messages,
    ...(answerForm === undefined ? {} : { answerForm }),
    ...(isGiven(max_tokens) ? { maxOutputTokens: max_tokens as number } : {}),
    ...(isGiven(temperature) ? { temperature: temperature as number } : {}),
    ...(isGiven(top_p) ? { topP: top_p as number } : {}),
    ...(isGiven(stop) ? { stop: typeof stop === "string" ? [stop] : (stop as string[]) } : {}),
    ...(isGiven(seed) ? { seed: seed as number } : {}),
  };
}

function unknownField(name: string): string {
  const shown = name.length > 60 ? `${name.slice(0, 60)}…` : name;
  return `unknown field "${shown}"; ${suggestName(name.slice(0, 60), rowFields)}; other columns need --prompt, or belong into metadata`;
}
