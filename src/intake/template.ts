import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { UserError } from "../job/errors.ts";
import { explainReadError } from "./explain-error.ts";

/** A prompt with places for columns: texts and column names in turn, beginning and ending with a text. */
export interface Template {
  readonly texts: readonly string[];
  readonly variables: readonly string[];
}

/**
 * Reads `Summarise: {{text}}`. Blanks inside of the braces do not count; braces that do not open with `{{` are text.
 * @param source where it came from, for messages.
 * @throws UserError for braces that are not closed, an empty name, or a template without any column.
 */
export function parseTemplate(text: string, source: string): Template {
  const texts: string[] = [];
  const variables: string[] = [];
  let from = 0;
  for (let open = text.indexOf("{{"); open !== -1; open = text.indexOf("{{", from)) {
    const close = text.indexOf("}}", open + 2);
    const name = close === -1 ? undefined : text.slice(open + 2, close);
    const found = `${source}, ${positionOf(text, open)}`;
    if (name === undefined || name.includes("{{") || name.includes("\n")) {
      throw new UserError(`${found}: expected {{column}}, found {{ that is not closed; add }} after the column's name`);
    }
    if (name.trim() === "")
      throw new UserError(`${found}: expected the name of a column between {{ and }}, found none`);
    texts.push(text.slice(from, open));
    variables.push(name.trim());
    from = close + 2;
  }
  if (variables.length === 0) {
    throw new UserError(
      `${source}: expected at least one {{column}}, found none, so every row would ask the same; for a folder or glob write {{text}} where the file's text belongs`,
    );
  }
  return { texts: [...texts, text.slice(from)], variables };
}

/** The columns that a template needs, each once. */
export function templateVariables({ variables }: Template): string[] {
  return [...new Set(variables)];
}

/** The prompt for a row, or the name of the first column that the row lacks. */
export function fillTemplate(
  { texts, variables }: Template,
  row: Readonly<Record<string, unknown>>,
): { readonly prompt: string } | { readonly missing: string } {
  let prompt = texts[0]!;
  for (let at = 0; at < variables.length; at++) {
    const name = variables[at]!;
    if (!Object.hasOwn(row, name)) return { missing: name };
    const value = row[name];
    prompt += typeof value === "string" ? value : value === null ? "" : JSON.stringify(value);
    prompt += texts[at + 1]!;
  }
  return { prompt };
}

/**
 * The template that `--prompt` or `--prompt-file` gives, if any. A file's last line end does not count.
 * @throws UserError for both at once, a file that cannot be read, or a wrong template.
 */
export function readTemplate(flags: {
  readonly prompt?: string | undefined;
  readonly promptFile?: string | undefined;
}): Template | undefined {
  const { prompt, promptFile } = flags;
  if (prompt !== undefined && promptFile !== undefined) {
    throw new UserError("expected --prompt or --prompt-file, found both; leave one out");
  }
  if (prompt !== undefined) return parseTemplate(prompt, "--prompt");
  if (promptFile === undefined) return undefined;
  const source = `--prompt-file ${promptFile}`;
  let bytes: Buffer;
  try {
    bytes = readFileSync(promptFile);
  } catch (error) {
    throw explainReadError(error, source);
  }
  if (!isUtf8(bytes)) throw new UserError(`${source}: expected text in UTF-8, found other bytes`);
  return parseTemplate(
    bytes
      .toString("utf8")
      .replace(/^\ufeff/, "")
      .replace(/\r?\n$/, ""),
    source,
  );
}

function positionOf(text: string, at: number): string {
  const before = text.slice(0, at).split("\n");
  return `line ${before.length}, column ${before.at(-1)!.length + 1}`;
}
