import { readFile } from "node:fs/promises";
import { getNodeValue, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { messageOf, UserError } from "../job/errors.ts";
import { positionOf, type SourceText } from "./problems.ts";

/** A file of JSON with comments, parsed as far as it goes. */
export interface ParsedFile extends SourceText {
  readonly value: unknown;
  readonly syntaxErrors: readonly string[];
}

/** "ColonExpected" → "colon expected". */
function describe(error: ParseError): string {
  return printParseErrorCode(error.error)
    .replace(/([a-z])([A-Z])/g, "$1 $2")
    .toLowerCase();
}

/** A name that stands twice in one object: of the two only the last would count, silently. */
function findRepeated(node: Node | undefined, text: string, path: string): string[] {
  if (!node?.children) return [];
  const seen = new Set<unknown>();
  const repeated: string[] = [];
  for (const child of node.children) {
    const key = child.type === "property" ? child.children?.[0] : undefined;
    if (key && seen.has(key.value)) {
      repeated.push(
        `${path}:${positionOf(text, key.offset)}  the key "${key.value}" stands twice in one object; remove one`,
      );
    }
    if (key) seen.add(key.value);
    repeated.push(...findRepeated(child, text, path));
  }
  return repeated;
}

/** Parses JSON with comments and trailing commas; never throws. */
export function parseConfigText(path: string, rawText: string): ParsedFile {
  const text = rawText.replace(/^\uFEFF/, "");
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: true });
  const syntaxErrors = errors.map((error) => `${path}:${positionOf(text, error.offset)}  ${describe(error)}`);
  if (syntaxErrors.length === 0) syntaxErrors.push(...findRepeated(tree, text, path));
  return { path, text, tree, value: tree && getNodeValue(tree), syntaxErrors };
}

/** Reads and parses a config file; a file that is not there or not readable is a `UserError`. */
export async function readConfigFile(path: string, chosenBy: string): Promise<ParsedFile> {
  try {
    return parseConfigText(path, await readFile(path, "utf8"));
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : messageOf(error);
    throw new UserError(`cannot read the config ${path} (${chosenBy}): ${why}. Give the path of a models.json.`);
  }
}

/** Throws what is wrong with the syntax, with lines and columns. */
export function assertParsed(file: ParsedFile): void {
  if (file.syntaxErrors.length === 0) return;
  const more = file.syntaxErrors.length > 10 ? `\n  and ${file.syntaxErrors.length - 10} more` : "";
  throw new UserError(
    `the config ${file.path} is not valid JSON (comments are allowed):\n  ${file.syntaxErrors.slice(0, 10).join("\n  ")}${more}`,
  );
}
