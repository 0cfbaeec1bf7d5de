import { isUtf8 } from "node:buffer";
import { readFileSync, statSync } from "node:fs";
import { reasonOf } from "./explain-error.ts";
import { type FlatRowOptions, type RowOrReason, readFlatRow } from "./flat-row.ts";
import { longestLineBytes } from "./line-file.ts";
import { fillTemplate } from "./template.ts";

/**
 * A file as a row: its text is read now, so that a million files need no second copy on disk. `path` and `text` are the
 * columns for a template; without one the text itself is the prompt.
 */
export function readFileRow(path: string, { prompt: template, ...options }: FlatRowOptions): RowOrReason {
  const text = textOf(path);
  if (!text.ok) return text.reason;
  const filled = template === undefined ? { prompt: text.value } : fillTemplate(template, { path, text: text.value });
  // createRowParser has refused other columns.
  if ("missing" in filled) throw new Error(`the template needs ${filled.missing}`);
  if (filled.prompt.trim() === "") return "expected text, found an empty file";
  const row = readFlatRow({ prompt: filled.prompt }, path, options);
  return typeof row === "string" ? row : { ...row, metadata: { path } };
}

function textOf(
  path: string,
): { readonly ok: true; readonly value: string } | { readonly ok: false; readonly reason: string } {
  let bytes: Buffer;
  try {
    const { size } = statSync(path);
    if (size > longestLineBytes) {
      return { ok: false, reason: `expected a file of at most ${longestLineBytes} bytes (32 MB), found ${size}` };
    }
    bytes = readFileSync(path);
  } catch (error) {
    return { ok: false, reason: `the file cannot be read: ${reasonOf(error)}` };
  }
  if (!isUtf8(bytes)) return { ok: false, reason: "expected text in UTF-8, found other bytes" };
  return { ok: true, value: bytes.toString("utf8").replace(/^\ufeff/, "") };
}
