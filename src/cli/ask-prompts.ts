import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { explainReadError } from "../intake/explain-error.ts";
import { UserError } from "../job/errors.ts";

/** Larger than any model's context. */
const longestPromptBytes = 20_000_000;

export interface PromptFlags {
  readonly file?: string;
  /** `NAME=PROMPT`, for one model. */
  readonly as: readonly string[];
}

/** What is asked: of all, and of those that have a prompt of their own. */
export interface Prompts {
  readonly common: string | undefined;
  readonly own: ReadonlyMap<string, string>;
}

/**
 * The prompt of the command line, followed by the file's text; `-` is stdin for either.
 * @throws UserError for what cannot be read or is empty.
 */
export async function readPrompts(
  prompt: string | undefined,
  { file, as }: PromptFlags,
  stdin: Readable,
): Promise<Prompts> {
  if (prompt === "-" && file === "-") throw new UserError("expected stdin once, found - as the prompt and as --file");
  const own = new Map<string, string>();
  for (const one of as) {
    const at = one.indexOf("=");
    const [name, text] = [one.slice(0, at), one.slice(at + 1)];
    if (at < 1) throw new UserError(`--as: expected MODEL=PROMPT, found ${one === "" ? "an empty text" : "no ="}`);
    if (text.trim() === "") throw new UserError(`--as ${name}=: expected a prompt, found an empty text`);
    if (own.has(name)) throw new UserError(`--as: expected one prompt a model, found two for ${name}`);
    own.set(name, text);
  }
  const parts: string[] = [];
  if (prompt !== undefined) parts.push(prompt === "-" ? await readText(stdin, "stdin") : prompt);
  if (file !== undefined) parts.push(await readText(file === "-" ? stdin : createReadStream(file), file));
  const common = parts.join("\n\n");
  if (parts.length > 0 && common.trim() === "") throw new UserError("expected a prompt, found an empty text");
  if (parts.length === 0 && own.size === 0) {
    throw new UserError('expected a prompt: promptfleet ask "…", --file PATH, or - for stdin');
  }
  return { common: parts.length === 0 ? undefined : common, own };
}

async function readText(stream: Readable, source: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > longestPromptBytes) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw explainReadError(error, source);
  }
  if (bytes > longestPromptBytes) {
    throw new UserError(`${source}: expected a prompt of at most ${longestPromptBytes / 1e6} MB, found more`);
  }
  const content = Buffer.concat(chunks);
  if (!isUtf8(content)) throw new UserError(`${source}: expected text in UTF-8, found other bytes`);
  return content.toString("utf8").replace(/^\ufeff/, "");
}
