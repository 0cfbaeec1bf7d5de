import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Config, ModelConfig } from "../src/config/config.ts";
import { loadConfig, packagedConfigPath } from "../src/config/load.ts";

/*
 * Writes the tables of models and tasks into the skill for assistants, from the packaged models.json; with --check it
 * only says whether they are current.
 */

const { values } = parseArgs({ options: { check: { type: "boolean" }, output: { type: "string" } } });
const path = values.output ?? join(import.meta.dirname, "..", "config", "skills", "promptfleet", "SKILL.md");
const config = await loadConfig({ configPath: packagedConfigPath(), environment: {} });
const skill = readFileSync(path, "utf8");
const generated = withTables(skill, tablesOf(config));

if (values.check !== true) writeFileSync(path, generated);
else if (skill !== generated) {
  console.error(`${path} is stale: node scripts/gen-skill.ts`);
  process.exitCode = 1;
}

function withTables(text: string, tables: string): string {
  const [startMark, endMark] = ["<!-- models:start -->", "<!-- models:end -->"];
  const [start, end] = [text.indexOf(startMark), text.indexOf(endMark)];
  if (start === -1 || end < start) throw new Error(`${path} has no ${startMark} and ${endMark} to write between`);
  return `${text.slice(0, start + startMark.length)}\n${tables}\n${text.slice(end)}`;
}

function tablesOf({ tasks, models, tiers, defaultTask }: Config): string {
  const taskRows = Object.values(tasks).map(({ name, primary, fallback, private: isPrivate, why }) => {
    const named = `\`${name}\`${name === defaultTask ? " (the default)" : ""}${isPrivate ? " (private)" : ""}`;
    return `| ${named} | ${why ?? ""} | ${[primary, ...fallback].map((alias) => `\`${alias}\``).join(", then ")} |`;
  });
  const modelRows = Object.values(models).map((model) => {
    const { location } = tiers[model.tier]!;
    const context = model.contextTokens === undefined ? "its server's" : model.contextTokens.toLocaleString("en-GB");
    return `| \`${model.alias}\` | ${location} | ${priceOf(model, location)} | ${context} |`;
  });
  return [
    "The packaged configuration; the user's own may differ, and `list_models` has the truth.",
    "",
    "| task | why | models |",
    "|---|---|---|",
    ...taskRows,
    "",
    "| model | where | $ per million tokens, in / out | context, tokens |",
    "|---|---|---|---|",
    ...modelRows,
  ].join("\n");
}

function priceOf({ price }: ModelConfig, location: string): string {
  if (price === undefined) return location === "local" ? "free" : "unknown";
  const { inputPerMTok, outputPerMTok } = price;
  return inputPerMTok + outputPerMTok === 0 ? "free" : `${inputPerMTok} / ${outputPerMTok}`;
}
