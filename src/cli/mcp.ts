import { dataFolder } from "../config/environment.ts";
import { loadConfig } from "../config/load.ts";
import { serveStdio } from "../serve/mcp/stdio.ts";
import { say } from "./say.ts";
import { onStopSignals } from "./stop-signals.ts";

export interface McpFlags {
  readonly root: readonly string[];
  readonly config?: string;
  readonly fleet?: string;
  readonly redis?: string;
  readonly dataDir?: string;
}

/** `promptfleet mcp`: the tools for one assistant, on stdin and stdout, until it leaves. */
export async function mcp(flags: McpFlags): Promise<number> {
  const config = await loadConfig({ configPath: flags.config, fleet: flags.fleet });
  const stop = new AbortController();
  const removeHandlers = onStopSignals(
    () => stop.abort(),
    () => stop.abort(),
  );
  try {
    await serveStdio({
      config,
      redis: flags.redis,
      dataDirectory: dataFolder(flags.dataDir),
      roots: flags.root,
      stdin: process.stdin,
      stdout: process.stdout,
      signal: stop.signal,
      onTrouble: say,
    });
  } finally {
    removeHandlers();
  }
  return 0;
}
