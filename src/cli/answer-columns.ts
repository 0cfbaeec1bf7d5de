import { stripVTControlCharacters } from "node:util";

/** One model's answer as it is shown. */
export interface ShownAnswer {
  readonly alias: string;
  /** Undefined while there is none. */
  readonly text: string | undefined;
  /** How long it took and what it cost, or why it waits. */
  readonly about: string;
}

/** Narrower columns are no help; answers then stand below one another. */
const narrowestColumn = 28;
const between = " │ ";

/** Answers beside one another, each in its column; undefined where the width has no room for that. */
export function columnsOf(answers: readonly ShownAnswer[], width: number): string[] | undefined {
  const columnWidth = Math.floor((width - between.length * (answers.length - 1)) / answers.length);
  if (columnWidth < narrowestColumn) return undefined;
  const cells = answers.map(({ alias, text, about }) => [
    ...wrapCell(alias, columnWidth),
    ...wrapCell(about, columnWidth),
    "─".repeat(columnWidth),
    ...(text === undefined ? [] : wrapCell(forTerminal(text), columnWidth)),
  ]);
  const height = Math.max(...cells.map((cell) => cell.length));
  return Array.from({ length: height }, (_, line) =>
    cells
      .map((cell) => padded(cell[line] ?? "", columnWidth))
      .join(between)
      .trimEnd(),
  );
}

/** An answer below others. */
export function blockOf({ alias, text, about }: ShownAnswer): string[] {
  return [`── ${alias} · ${about}`, ...(text === undefined ? [] : [text.trimEnd()]), ""];
}

/** A model's words must not move the cursor, ring, or set the title of somebody's terminal. */
export function forTerminal(text: string): string {
  return stripVTControlCharacters(text)
    .replace(/\r\n?/g, "\n")
    .replaceAll("\t", "    ")
    .replace(/\p{Cc}/gu, (character) => (character === "\n" ? character : ""));
}

/** A text on lines of at most `width` columns: at spaces where that is possible, else anywhere. Indents are kept. */
export function wrapCell(text: string, width: number): string[] {
  return text
    .trimEnd()
    .split("\n")
    .flatMap((line) => wrapLine(line.trimEnd(), width));
}

function wrapLine(line: string, width: number): string[] {
  const lines: string[] = [];
  let current = "";
  let currentWidth = 0;
  // Spaces go with the word before them, so that an indent is a word of its own.
  for (const word of line.match(/^\s+|\S+\s*/g) ?? []) {
    let rest = word;
    if (currentWidth + widthOf(word.trimEnd()) > width && currentWidth > 0) {
      lines.push(current.trimEnd());
      [current, currentWidth] = ["", 0];
    }
    while (widthOf(rest.trimEnd()) > width) {
      const head = headOf(rest, width);
      lines.push(head);
      rest = rest.slice(head.length);
    }
    current += rest;
    currentWidth += widthOf(rest);
  }
  return [...lines, current.trimEnd()];
}

function headOf(text: string, width: number): string {
  let head = "";
  let used = 0;
  for (const character of text) {
    used += widthOf(character);
    if (used > width && head !== "") return head;
    head += character;
  }
  return head;
}

const padded = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - widthOf(text)));

const wide = /[\p{Emoji_Presentation}ᄀ-ᅟ⺀-꓏가-힣豈-﫿︰-﹏＀-｠￠-￦\u{20000}-\u{3fffd}]/gu;
const unseen = /[\p{Mn}\p{Me}\p{Cf}]/gu;

/** Columns that a text takes on a terminal. */
function widthOf(text: string): number {
  let columns = 0;
  for (const _character of text) columns++;
  return columns + (text.match(wide)?.length ?? 0) - (text.match(unseen)?.length ?? 0);
}
