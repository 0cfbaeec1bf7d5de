import type { Command } from "commander";
import { collectConcurrency, durationMs, portNumber } from "../option-values.ts";

/** `serve`: the batch server. */
export function defineServe(cli: Command, setExitCode: (code: number) => void): void {
  cli
    .command("serve")
    .description("A batch server that OpenAI's own clients can use; it runs until it is stopped, and resumes.")
    .option("--host <address>", "where it listens; others than this machine's need a token", "127.0.0.1")
    .option("--port <port>", "0 is any that is free", portNumber, 8700)
    .option("--config <file>", "models.json to use (else PROMPTFLEET_CONFIG, ./promptfleet.json, the packaged one)")
    .option("--replace-config", "announce a changed definition of a tier to the fleet", false)
    .option("--fleet <name>", "fleet to join on a shared Redis")
    .option("--concurrency <tier=n>", "calls at once per endpoint of a tier; may be repeated", collectConcurrency, {})
    .option("--pull", "have an Ollama server fetch models that it lacks", false)
    .option("--redis <url>", "a Redis to share with others (else REDIS_URL, else an embedded one)")
    .option("--data-dir <dir>", "where files and batches lie (else PROMPTFLEET_DATA_DIR, else one per user)")
    .option("--no-pools", "feed and collect only; `work` elsewhere does the asking")
    .option(
      "--grace <duration>",
      "how long calls in flight may take to end once it is stopped (default: 30s)",
      durationMs,
    )
    .action(async (options) => {
      const { serve } = await import("../serve.ts");
      setExitCode(await serve(options));
    });
}
