import { describe, expect, it } from "vitest";
import { blockOf, columnsOf, forTerminal, wrapCell } from "../../src/cli/answer-columns.ts";

const answers = [
  { alias: "a", text: "one two three four five six seven eight", about: "0.10 s" },
  { alias: "b", text: undefined, about: "3 s …" },
];

describe("answers side by side", () => {
  it("stand in columns of one width, with what there is of each", () => {
    const lines = columnsOf(answers, 60)!;
    expect(lines.map((line) => line.indexOf("│"))).toEqual(lines.map(() => 29));
    expect(lines[0]).toBe(`a${" ".repeat(28)}│ b`);
    expect(lines[1]).toBe(`0.10 s${" ".repeat(23)}│ 3 s …`);
    expect(lines.slice(3).map((line) => line.slice(0, 28).trim())).toEqual([
      "one two three four five six",
      "seven eight",
    ]);
  });

  it("are no columns where there is no room for them", () => {
    expect(columnsOf(answers, 50)).toBeUndefined();
    expect(blockOf(answers[0]!)).toEqual([`── a · 0.10 s`, answers[0]!.text, ""]);
  });

  it("are wrapped at spaces, keep their indents and lines, and break words that are too long", () => {
    expect(wrapCell("if x:\n    return y\n\nend\n", 20)).toEqual(["if x:", "    return y", "", "end"]);
    expect(wrapCell("a 0123456789abcdef b", 8)).toEqual(["a", "01234567", "89abcdef", "b"]);
  });

  it("count wide and combining characters as terminals do", () => {
    expect(wrapCell("東京都庁 東京", 8)).toEqual(["東京都庁", "東京"]);
    expect(wrapCell("e\u0301e\u0301e\u0301e\u0301 x", 6)).toEqual(["e\u0301e\u0301e\u0301e\u0301 x"]);
  });

  it("do nothing to the terminal but show text", () => {
    expect(forTerminal("\x1b]0;title\x07red \x1b[31mtext\x1b[0m\r\nnext\x07\tend\x9b2J")).toBe("red text\nnext    end");
  });
});
