/** Writes the table of docs/metrics.md from src/serve/metric-list.ts; `--check` only says whether it is as it should be. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type MetricDefinition, metricList } from "../src/serve/metric-list.ts";

const path = fileURLToPath(new URL("../docs/metrics.md", import.meta.url));
const [start, end] = ["<!-- metrics:start -->", "<!-- metrics:end -->"];

/** The document with its table as the list says. */
export function withMetricsTable(document: string): string {
  const rows = Object.values(metricList).map(
    ({ name, type, labels, help }: MetricDefinition) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`,
  );
  const table = ["| metric | type | labels | what it says |", "|---|---|---|---|", ...rows].join("\n");
  const [before, rest] = document.split(start) as [string, string];
  return `${before}${start}\n${table}\n${end}${rest.split(end)[1]}`;
}

if (import.meta.main) {
  const document = readFileSync(path, "utf8");
  const wanted = withMetricsTable(document);
  if (process.argv.includes("--check")) {
    if (wanted !== document) {
      console.error("docs/metrics.md is not what src/serve/metric-list.ts says; run node scripts/gen-metrics-docs.ts");
      process.exitCode = 1;
    }
  } else {
    writeFileSync(path, wanted);
  }
}
