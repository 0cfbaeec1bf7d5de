import { globSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { parseKeyFile } from "../../src/config/keys.ts";
import { providerFacts } from "../../src/config/providers.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const template = readFileSync(`${root}config/env.template`, "utf8");

it("the template explains every variable that the program reads", () => {
  const sources = globSync("src/config/*.ts", { cwd: root }).map((file) => readFileSync(`${root}${file}`, "utf8"));
  const read = sources.flatMap((source) => [...source.matchAll(/readVariable\("(\w+)"/g)].map((match) => match[1]!));
  const keys = Object.values(providerFacts).flatMap(({ defaultApiKeyEnv }) => defaultApiKeyEnv ?? []);
  expect(read.length).toBeGreaterThan(5);
  // HOME is the system's.
  const missing = [...new Set([...read, ...keys])].filter((name) => name !== "HOME" && !template.includes(name));
  expect(missing).toEqual([]);
});

it("the template sets nothing by itself, and takes every key that it offers", () => {
  expect([...parseKeyFile(template)]).toEqual([]);
  const filled = parseKeyFile(template.replaceAll(/_API_KEY=$/gm, "_API_KEY=sk-1"));
  expect([...filled.keys()]).toEqual(["ANTHROPIC_API_KEY", "OPENAI_API_KEY"]);
});
