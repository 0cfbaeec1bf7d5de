import type { AnswerForm } from "../job/row.ts";

/** By what answers are compared. */
export type AgreementKind = "label" | "fields" | "text";

export interface AnswerText {
  readonly text: string;
  readonly json?: unknown;
}

/** How answers of one form are held against each other. */
export interface Comparison {
  readonly by: AgreementKind;
  /** What is compared of an answer; undefined for an empty one, which is no vote. */
  readonly comparable: (answer: AnswerText) => { readonly value: unknown } | undefined;
  /** Where two differ, as JSON pointers (`""` is the whole); empty when they are the same. */
  readonly differences: (one: unknown, other: unknown) => readonly string[];
}

/** A label is the same or not, JSON is compared field by field, free text without what is no difference to a reader. */
export function comparisonFor(form: AnswerForm | undefined, tolerance = 0): Comparison {
  if (form !== undefined && "schema" in form) {
    return {
      by: "fields",
      comparable: ({ json }) => (json === undefined ? undefined : { value: json }),
      differences: (one, other) => fieldsThatDiffer(one, other, tolerance),
    };
  }
  const isLabel = form !== undefined;
  return {
    by: isLabel ? "label" : "text",
    comparable({ text }) {
      // The pool has made the answer one of the choices as they were given.
      const value = isLabel ? text : plainText(text);
      return value === "" ? undefined : { value };
    },
    differences: (one, other) => (one === other ? [] : [""]),
  };
}

/** Not every server keeps a model's thinking apart from its answer. */
const thinking = /^\s*<think>[\s\S]*?<\/think>/;
export const withoutThinking = (text: string): string => text.replace(thinking, "");
/** Only at the edges of a word: `1.5`, `-5`, `n/a` and `f(x)` stay what they are. */
const beforeWord = /^["'`*_~([{<«»„“¿¡]+/;
const afterWord = /["'`*_~)\]}>«»“.,;:!?。、]+$/;

/** A text without what is no difference to a reader: Unicode's ways to write a letter, case, white space, punctuation. */
export function plainText(text: string): string {
  return withoutThinking(text)
    .normalize("NFKC")
    .toLowerCase()
    .replace(/[‘’‚]/g, "'")
    .replace(/[”„]/g, "“")
    .split(/\s+/)
    .map((word) => word.replace(beforeWord, "").replace(afterWord, ""))
    .filter((word) => word !== "")
    .join(" ");
}

const mostFields = 20;
/** 0.3 and 0.29 are 0.01 apart, whatever binary fractions make of it. */
const roundingShare = 2 ** -50;

const isWithin = (tolerance: number, one: number, other: number): boolean =>
  tolerance > 0 && Math.abs(one - other) <= tolerance + Math.max(Math.abs(one), Math.abs(other)) * roundingShare;

/** JSON pointers of the fields in which two values differ. */
function fieldsThatDiffer(one: unknown, other: unknown, tolerance: number): readonly string[] {
  const fields: string[] = [];

  function compare(left: unknown, right: unknown, path: string): void {
    if (fields.length >= mostFields || left === right) return;
    if (typeof left === "number" && typeof right === "number") {
      if (!isWithin(tolerance, left, right)) fields.push(path);
    } else if (typeof left === "string" && typeof right === "string") {
      if (dataText(left) !== dataText(right)) fields.push(path);
    } else if (Array.isArray(left) && Array.isArray(right) && left.length === right.length) {
      for (const [at, value] of left.entries()) compare(value, right[at], `${path}/${at}`);
    } else if (isObject(left) && isObject(right)) {
      for (const name of new Set([...Object.keys(left), ...Object.keys(right)])) {
        compare(own(left, name), own(right, name), `${path}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`);
      }
    } else {
      fields.push(path);
    }
  }

  compare(one, other, "");
  return fields;
}

/** In data punctuation may mean something. */
const dataText = (text: string): string => text.normalize("NFKC").toLowerCase().trim().replace(/\s+/g, " ");

const own = (object: Record<string, unknown>, name: string): unknown =>
  Object.hasOwn(object, name) ? object[name] : undefined;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
