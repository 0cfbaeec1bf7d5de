import type { AnswerForm, Message } from "../src/job/row.ts";
import type { BackendCall, Endpoint } from "./adapter.ts";
import { type Constraint, constraintOf } from "./strict-schema.ts";

/** What a backend that can hold an answer to a JSON schema is given: choices become an object with one of them. */
export function constraintFor(form: AnswerForm): Constraint {
  if ("schema" in form) return constraintOf(form.schema);
  const properties = { choice: { type: "string", enum: form.choices } };
  return constraintOf({ type: "object", properties, required: ["choice"] });
}

/**
 * The messages with the form in words at their end, where small models heed it most and where no model refuses it, as
 * some do a second system message. A schema is left to the backend where that holds the answer to it; choices are always
 * told: a model that does not know them chooses worse, and some servers ignore what they do not know.
 */
export function withFormInWords(
  messages: readonly Message[],
  { request: { answerForm: form }, formInWords }: BackendCall,
): readonly Message[] {
  if (form === undefined || ("schema" in form && !formInWords)) return messages;
  const words =
    "schema" in form
      ? `Answer with JSON alone that fits this JSON schema: ${JSON.stringify(form.schema)}`
      : `Answer with exactly one of these and nothing else: ${form.choices.join(" | ")}`;
  const at = messages.findLastIndex(({ role }) => role === "user");
  const last = messages[at];
  if (last === undefined) return [...messages, { role: "user", content: words }];
  const content =
    typeof last.content === "string"
      ? `${last.content}\n\n${words}`
      : [...last.content, { type: "text", text: `\n\n${words}` }];
  return messages.with(at, { ...last, content });
}

/**
 * For one endpoint: a backend that rejects to be held to a form (older servers, schemas beyond its means) is asked for
 * it in words, and so are the rows of that model and form after it.
 */
export function inWordsIfRefused(call: Endpoint["call"]): Endpoint["call"] {
  const refused = new Set<string>();
  return async (row) => {
    const { answerForm, anthropicBody, endpoint } = row.request;
    // Bodies for other endpoints, and Anthropic's params, are sent as they are.
    if (answerForm === undefined || anthropicBody !== undefined || endpoint !== undefined) return call(row);
    const asked = withRoomForChoice(row, answerForm);
    const key = `${asked.model} ${JSON.stringify(answerForm)}`;
    if (refused.has(key)) return call({ ...asked, formInWords: true });
    const startedAtMs = performance.now();
    const outcome = await call(asked);
    const timeoutMs = asked.timeoutMs - Math.round(performance.now() - startedAtMs);
    if (outcome.kind !== "rejected" || timeoutMs <= 0) return outcome;
    const inWords = await call({ ...asked, timeoutMs, formInWords: true });
    // Else the request itself is wrong, and the backend may take the next one's form.
    if (inWords.kind === "answered") refused.add(key);
    if (refused.size > mostRemembered) refused.delete(refused.values().next().value!);
    return inWords;
  };
}

const mostRemembered = 200;

/** Spaces and the like, of which a backend may let a model write some between the parts of an object. */
const spareTokens = 8;

/** A row's own limit is meant for the label; around it stands the object of `constraintFor`. No token is less than a byte. */
function withRoomForChoice(call: BackendCall, form: AnswerForm): BackendCall {
  const { maxOutputTokens } = call.request;
  if (maxOutputTokens === undefined || "schema" in form) return call;
  const bytes = form.choices.map((choice) => Buffer.byteLength(JSON.stringify({ choice })));
  const room = Math.max(...bytes) + spareTokens;
  if (room <= maxOutputTokens) return call;
  return { ...call, request: { ...call.request, maxOutputTokens: room } };
}
