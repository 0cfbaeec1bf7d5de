import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { measureParts } from "../../scripts/bench/measure-parts.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

it("what a part measured is written as soon as it has ended, and a part that throws takes no other along", async () => {
  vi.spyOn(console, "log").mockImplementation(() => {});
  vi.spyOn(console, "error").mockImplementation(() => {});
  const root = temporaryFolder();
  const readme = join(root, "README.md");
  writeFileSync(readme, "<!-- chaos:start -->\n<!-- chaos:end -->\n");
  const figureOf = (what: string) => ({ figures: [{ what, figure: "1", goal: "1", met: true }] });
  let seenBySecond = "";
  const parts = {
    first: async () => figureOf("the first"),
    second: async () => {
      seenBySecond = readFileSync(join(root, "docs", "chaos-results", "latest.json"), "utf8");
      expect(readFileSync(readme, "utf8")).toContain("the first");
      throw new Error("broken");
    },
    third: async () => figureOf("the third"),
  };
  await expect(measureParts({ kind: "chaos", parts, only: "first,second,third", quick: false, root })).rejects.toThrow(
    "1 of 3 parts",
  );
  expect(Object.keys(JSON.parse(seenBySecond).measured)).toEqual(["first"]);
  const { measured } = JSON.parse(readFileSync(join(root, "docs", "chaos-results", "latest.json"), "utf8"));
  expect(Object.keys(measured)).toEqual(["first", "third"]);
  expect(readFileSync(readme, "utf8")).toMatch(/the first.*\n.*the third/);
});
