import { findNodeAtLocation, type Node } from "jsonc-parser";
import type { z } from "zod";
import { UserError } from "../job/errors.ts";
import { suggestName } from "./nearest.ts";

export type ConfigPath = readonly (string | number)[];

/** One thing that is wrong with a config; the words are shown to the user. */
export interface Problem {
  readonly path: ConfigPath;
  readonly expected: string;
  readonly found: string;
  readonly mend: string;
}

/** The text of a config file with its syntax tree, for lines and columns. */
export interface SourceText {
  readonly path: string;
  readonly text: string;
  readonly tree: Node | undefined;
}

/** Line and column, both from 1, of an offset in a text. */
export function positionOf(text: string, offset: number): string {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return `${line}:${offset - before.lastIndexOf("\n")}`;
}

/** Keys are pasted into the wrong place: what stands where only a name or a URL belongs is not repeated. */
function maySecret(value: unknown, path: ConfigPath): boolean {
  if (typeof value !== "string") return false;
  return path.some((part) => /key|token|secret|password/i.test(String(part))) || /:\/\/.*[@?#]/.test(value);
}

/** A value as the user wrote it, cut at 60 characters. */
export function showValue(value: unknown, path: ConfigPath): string {
  if (value === undefined) return "nothing";
  if (maySecret(value, path)) return "another text (not shown: it may hold a key)";
  const shown = JSON.stringify(value);
  return shown.length > 60 ? `${shown.slice(0, 57)}...` : shown;
}

function mendOf(issue: z.core.$ZodIssue, value: unknown, path: ConfigPath): string {
  if (value === undefined) return `add "${path.at(-1)}"`;
  if (path.at(-1) === "apiKeyEnv") return "write the variable's name here and its value into ~/.config/promptfleet/env";
  if (issue.code === "invalid_value" && typeof value === "string")
    return suggestName(value, issue.values.map(String), 0);
  return "change it";
}

function valueAt(root: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>((at, part) => (at as Record<string | number, unknown> | undefined)?.[part], root);
}

/** What zod found, one problem per unknown key or wrong value. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], root: unknown, base: ConfigPath = []): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const path = [...base, ...(issue.path as (string | number)[])];
    if (issue.code === "unrecognized_keys") {
      const valid = issue.message.split(", ");
      return issue.keys.map((key) => ({
        path: [...path, key],
        expected: `one of the keys ${issue.message}`,
        found: `the unknown key "${key}"`,
        mend: suggestName(key, valid, 0),
      }));
    }
    const value = valueAt(root, path);
    if (issue.code === "invalid_union") {
      // Of a union only the branch that the value was meant for is worth telling.
      const meant = issue.errors.find((branch) => branch.length > 0 && branch.every((inner) => inner.path.length > 0));
      const scalar = issue.errors.find((branch) =>
        branch.every((inner) => inner.code !== "invalid_type" && inner.code !== "invalid_value"),
      );
      if (meant && typeof value === "object") return problemsOf(meant, root, path);
      if (scalar && typeof value !== "object") return problemsOf(scalar, root, path).slice(0, 1);
    }
    if (issue.code === "invalid_key") {
      const mend = "rename it, also where it is referred to";
      return [{ path, expected: issue.message, found: `"${String(path.at(-1))}"`, mend }];
    }
    return [{ path, expected: issue.message, found: showValue(value, path), mend: mendOf(issue, value, path) }];
  });
}

/** `tiers.claude.limits.rpm`, with brackets around what is no plain name. */
export function pathText(path: ConfigPath): string {
  const parts = path.map((part, at) =>
    typeof part === "number" ? `[${part}]` : /^[\w$-]+$/.test(part) ? `${at > 0 ? "." : ""}${part}` : `["${part}"]`,
  );
  return parts.join("") || "(the whole file)";
}

/** A problem in one line. */
export const problemText = (where: string, { expected, found, mend }: Omit<Problem, "path">): string =>
  `${where}: expected ${expected}; found ${found}; ${mend}`;

/** Where in the file a path begins, or as much of it as the file has. */
function offsetOf(source: SourceText, path: ConfigPath): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const node = source.tree && findNodeAtLocation(source.tree, path.slice(0, length));
    if (node) return node.parent?.type === "property" ? node.parent.offset : node.offset;
  }
  return undefined;
}

/** One error that lists every problem with its file, line, path, what was expected and found, and how to mend it. */
export function problemError(source: SourceText, problems: readonly Problem[]): UserError {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  const placed = problems.map((problem) => ({ ...problem, offset: offsetOf(source, problem.path) }));
  placed.sort((left, right) => (left.offset ?? 0) - (right.offset ?? 0));
  const lines = placed.map(({ offset, path, expected, found, mend }) => {
    const place = offset === undefined ? source.path : `${source.path}:${positionOf(source.text, offset)}`;
    return `  ${place}  ${pathText(path)}\n    expected ${expected}; found ${found}; ${mend}`;
  });
  return new UserError(`${count} in the config ${source.path}:\n${lines.join("\n")}`);
}
