import { compileSchema } from "../job/json-schema.ts";
import type { AnswerForm, JsonSchema } from "../job/row.ts";

/** What is made of an answer, or what is wrong with it; a complaint quotes nothing of the answer. */
export type Checked =
  | { readonly fits: true; readonly text: string; readonly json?: unknown }
  | { readonly fits: false; readonly complaint: string };

/** Holds an answer to the form that its row asks for. A pure function. */
export function checkAnswer(form: AnswerForm, text: string, finishReason: string): Checked {
  const checked = "schema" in form ? checkJson(form.schema, text) : checkChoice(form.choices, text);
  if (checked.fits || finishReason !== "length") return checked;
  return { fits: false, complaint: `${checked.complaint} (it was cut off at its limit, max_tokens)` };
}

function checkJson(schema: JsonSchema, text: string): Checked {
  const json = jsonIn(text);
  if (json === undefined) return { fits: false, complaint: "it is not JSON" };
  const compiled = compileSchema(schema);
  // Intake has refused such a schema; this one came past it.
  if (!compiled.ok) return { fits: false, complaint: `its schema cannot be used: ${compiled.reason}` };
  const complaints = compiled.check(json.value);
  if (complaints.length > 0) return { fits: false, complaint: complaints.join("; ") };
  return { fits: true, text, json: json.value };
}

/** Not every server keeps a model's thinking apart from its answer. */
const thinking = /^\s*<think>[\s\S]*?<\/think>/;

/** The JSON that an answer is, or that stands in its one fenced block. */
function jsonIn(text: string): { readonly value: unknown } | undefined {
  const answer = text.replace(thinking, "");
  const blocks = [...answer.matchAll(/```(?:json)?[ \t]*\r?\n([\s\S]*?)```/gi)];
  for (const candidate of blocks.length === 1 ? [answer, blocks[0]![1]!] : [answer]) {
    try {
      return { value: JSON.parse(candidate) as unknown };
    } catch {
      // The next one may be.
    }
  }
  return undefined;
}

function checkChoice(choices: readonly string[], text: string): Checked {
  const answer = choiceIn(text);
  const meant = choices.includes(answer)
    ? [answer]
    : choices.filter((choice) => comparable(choice) === comparable(answer));
  if (meant.length === 1) return { fits: true, text: meant[0]! };
  return { fits: false, complaint: `it is not one of ${JSON.stringify(choices)} alone` };
}

/** Backends that are held to JSON answer `{"choice":"…"}`. */
function choiceIn(text: string): string {
  const json = jsonIn(text)?.value;
  if (typeof json === "string") return json;
  const choice = (json as { choice?: unknown } | null | undefined)?.choice;
  return typeof choice === "string" ? choice : text.replace(thinking, "").trim();
}

/** Case, quotes, emphasis and a closing dot are no difference. */
function comparable(text: string): string {
  return text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/^[\s"'`*“”‘’«»]+|[\s"'`*“”‘’«».!]+$/g, "");
}
