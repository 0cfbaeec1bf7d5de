import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { configFileSchema } from "../src/config/schema.ts";

/* Writes config/models.schema.json, for editors, from the zod schema; with --check it only says whether it is current. */

const { values } = parseArgs({ options: { check: { type: "boolean" }, output: { type: "string" } } });
const path = values.output ?? join(import.meta.dirname, "..", "config", "models.schema.json");
const generated = `${JSON.stringify({ title: "promptfleet's models.json", ...z.toJSONSchema(configFileSchema, { io: "input" }) }, null, 2)}\n`;

if (values.check !== true) {
  writeFileSync(path, generated);
} else if (readOr(path, "") !== generated) {
  console.error(`${path} is stale: node scripts/gen-schema.ts`);
  process.exitCode = 1;
}

function readOr(file: string, otherwise: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return otherwise;
  }
}
