import type { Probe } from "./adapter.ts";
import { isObject } from "./backend-words.ts";

type ModelEntry = Readonly<Record<string, unknown>> & { readonly id: string };

/**
 * Reads the list of models that OpenAI, Anthropic and all who speak like them give: `{"data":[{"id":…}]}`.
 * @param note told of each model.
 */
export function readModelList(body: unknown, host: string, note?: (entry: ModelEntry) => void): Probe {
  if (!isObject(body) || !Array.isArray(body.data)) {
    const message = `${host} answers, but its list of models is none; is the path of its baseUrl right?`;
    return { usable: false, outcome: { kind: "invalid-answer", message } };
  }
  const entries = body.data.filter((entry): entry is ModelEntry => isObject(entry) && typeof entry.id === "string");
  if (note !== undefined) entries.forEach(note);
  return { usable: true, models: entries.map(({ id }) => id) };
}
