import { suggestName } from "./nearest.ts";

/** A rule of `policy.detect`: tells whether a text holds what only local tiers may see. */
export interface DetectRule {
  /** As written in the config. */
  readonly name: string;
  finds(text: string): boolean;
}

/** What is wrong with a rule, for the message about the config. */
export interface BadRule {
  readonly expected: string;
  readonly mend: string;
}

const email = /[\p{L}\p{N}._%+-]@(?:[\p{L}\p{N}-]{1,63}\.){1,8}\p{L}{2,24}/u;
const apiKey =
  /\b(?:sk-[\w-]{16}|gh[pousr]_\w{20}|github_pat_\w{20}|glpat-[\w-]{16}|xox[abeprs]-[\w-]{10}|A[KS]IA[0-9A-Z]{16}|AIza[\w-]{30}|hf_[A-Za-z0-9]{20}|npm_[A-Za-z0-9]{20}|eyJ[\w-]{10,1000}\.eyJ[\w-]{10})|-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----/;

const builtIn: Readonly<Record<string, (text: string) => boolean>> = {
  email: (text) => text.includes("@") && email.test(text),
  "api-key": (text) => apiKey.test(text),
  "card-number": holdsCardNumber,
};

/** A rule of the config, or what is wrong with it. */
export function readDetectRule(written: string): DetectRule | BadRule {
  const finds = Object.hasOwn(builtIn, written) ? builtIn[written] : undefined;
  if (finds !== undefined) return { name: written, finds };
  const [, source, flags] = /^\/(.+)\/([a-z]*)$/s.exec(written) ?? [];
  if (source === undefined || flags === undefined) {
    const names = Object.keys(builtIn);
    return {
      expected: `${names.map((name) => `"${name}"`).join(", ")} or a pattern such as "/project falcon/i"`,
      mend: suggestName(written, names),
    };
  }
  return readPattern(written, source, flags);
}

/** A pattern sees so much of a text at a time, each part half over again: a match of up to half of it is found. */
const windowLength = 512;

function readPattern(name: string, source: string, flags: string): DetectRule | BadRule {
  if (!/^[imsu]*$/.test(flags))
    return { expected: "a pattern with the flags i, m, s, u or none", mend: "remove others" };
  let pattern: RegExp;
  try {
    pattern = new RegExp(source, flags);
  } catch (error) {
    return { expected: "a pattern that JavaScript can read", mend: `mend it: ${(error as Error).message}` };
  }
  if (pattern.test("")) {
    return {
      expected: "a pattern that does not fit every text",
      mend: 'let it name at least one character, "/a+/" for "/a*/"',
    };
  }
  const slow = whySlow(source);
  if (slow !== undefined) return { expected: "a pattern that is quick on every text", mend: slow };
  return { name, finds: (text) => windowsOf(text).some((part) => pattern.test(part)) };
}

function windowsOf(text: string): string[] {
  const parts: string[] = [];
  for (let start = 0; start === 0 || start + windowLength / 2 < text.length; start += windowLength / 2) {
    parts.push(text.slice(start, start + windowLength));
  }
  return parts;
}

/**
 * Some patterns take ages for a short text, and a row must not stop a fleet: a repeated group that repeats or chooses
 * within itself, a reference back, or many repetitions without a bound. Strict rather than clever.
 */
function whySlow(source: string): string | undefined {
  // Classes and escaped characters are one character each, but for references back.
  if (/\\(?:[1-9]|k<)/.test(source)) return "write it without references back";
  let simple = source.replace(/\\./gs, "a").replace(/\[[^\]]*\]/g, "a");
  const repeated = /[*+]|\{\d+,(?:\d+)?\}/;
  if ((simple.match(/[*+]|\{\d+,\}/g) ?? []).length > 2) return "use * and + at most twice; {0,20} has a bound";
  for (let group = innermost.exec(simple); group !== null; group = innermost.exec(simple)) {
    const [all, body = "", after = ""] = group;
    const inner = body.replace(/^\?(?:[:=!]|<[=!]|<\w+>)/, "");
    const repeats = repeated.test(inner);
    if (/^(?:[*+]|\{)/.test(after) && (repeats || inner.includes("|"))) {
      return "repeat no group that repeats or has alternatives within itself";
    }
    simple = simple.replace(all, () =>
      repeats || repeated.test(after) ? `a+${after.startsWith("?") ? "?" : ""}` : "a",
    );
  }
  return undefined;
}

const innermost = /\(([^()]*)\)([*+?]|\{\d+(?:,\d*)?\})?/;

/** 13 to 19 digits, blanks or dashes between them, that begin as card numbers do and have their check digit. */
function holdsCardNumber(text: string): boolean {
  for (const { index } of text.matchAll(/(?<!\d)[2-6](?=(?:[ -]?\d){12})/g)) {
    let digits = "";
    for (let at = index; digits.length < 19; at++) {
      const character = text[at] ?? "";
      if (/\d/.test(character)) digits += character;
      else if (!/[ -]/.test(character) || !/\d/.test(text[at + 1] ?? "")) break;
      const isLast = !/\d/.test(text[at + 1] ?? "");
      if (isLast && digits.length >= 13 && hasLuhnDigit(digits)) return true;
    }
  }
  return false;
}

function hasLuhnDigit(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, digit, place) => {
    const value = Number(digit) * (place % 2 === 0 ? 1 : 2);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}
