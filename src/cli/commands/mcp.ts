import type { Command } from "commander";
import { collect } from "../option-values.ts";

/** `mcp`: the fleet as tools of an assistant. */
export function defineMcp(cli: Command, setExitCode: (code: number) => void): void {
  cli
    .command("mcp")
    .description(
      "An MCP server on stdin and stdout: assistants ask models and submit batches (config/mcp-servers.json).",
    )
    .option(
      "--root <folder>",
      "folder whose files the assistant may name; may be repeated (default: its own roots, else the current folder)",
      collect,
      [],
    )
    .option("--config <file>", "models.json to use (else PROMPTFLEET_CONFIG, ./promptfleet.json, the packaged one)")
    .option("--fleet <name>", "fleet to join on a shared Redis")
    .option("--redis <url>", "a Redis to share with others (else REDIS_URL, else an embedded one)")
    .option(
      "--data-dir <dir>",
      "where batches and the embedded Redis live (else PROMPTFLEET_DATA_DIR, else one per user)",
    )
    .action(async (options) => {
      const { mcp } = await import("../mcp.ts");
      setExitCode(await mcp(options));
    });
}
