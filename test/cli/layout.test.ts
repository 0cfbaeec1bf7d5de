import { describe, expect, it } from "vitest";
import { hang, table, wrap } from "../../src/cli/layout.ts";

describe("what is printed for people", () => {
  it("breaks lines between words, and leaves a long word whole so that it can be copied", () => {
    expect(wrap("ollama pull a-very-long-name now", 12)).toEqual(["ollama pull", "a-very-long-name", "now"]);
  });

  it("lets text hang below its beginning", () => {
    expect(hang("  - ", "one two three four five six", 24)).toEqual(["  - one two three four", "    five six"]);
  });

  it("aligns columns and wraps the last one within its own", () => {
    const rows = [
      ["a", "bb", "one two three four five six seven"],
      ["aaa", "b", "short"],
    ];
    expect(table(rows, 36)).toEqual(["  a    bb  one two three four five", "           six seven", "  aaa  b   short"]);
  });

  it("puts the last column below the others where there is no room for it", () => {
    expect(table([["a-long-first-column", "the rest of it"]], 40)).toEqual([
      "  a-long-first-column",
      "    the rest of it",
    ]);
  });
});
