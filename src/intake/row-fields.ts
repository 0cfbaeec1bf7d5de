/** The fields that a flat row may have. */
export const rowFields = [
  "id",
  "task",
  "prompt",
  "messages",
  "system",
  "model",
  "max_tokens",
  "temperature",
  "top_p",
  "stop",
  "seed",
  "private",
  "metadata",
  "schema",
  "choices",
  "images",
  "consensus",
] as const;
export type RowField = (typeof rowFields)[number];

const names: ReadonlySet<string> = new Set(rowFields);

export function isRowField(name: string): name is RowField {
  return names.has(name);
}
