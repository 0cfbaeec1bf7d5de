import type { Command } from "commander";
import { collectConcurrency, commaList, durationMs, portNumber } from "../option-values.ts";

/** `work`: what runs until it is stopped. */
export function defineWork(cli: Command, setExitCode: (code: number) => void): void {
  cli
    .command("work")
    .description("Pools only: joins a fleet on a shared Redis and works its tiers until it is stopped.")
    .option("--tiers <names>", "tiers to work, by commas; default: all that have an adapter and a key here", commaList)
    .option("--config <file>", "models.json to use")
    .option("--replace-config", "announce a changed definition of a tier to the fleet", false)
    .option("--fleet <name>", "fleet to join")
    .option("--concurrency <tier=n>", "calls at once per endpoint of a tier; may be repeated", collectConcurrency, {})
    .option("--pull", "have an Ollama server fetch models that it lacks", false)
    .option("--redis <url>", "the fleet's Redis (else REDIS_URL)")
    .option("--data-dir <dir>", "join the embedded Redis of this data directory instead")
    .option(
      "--grace <duration>",
      "how long calls in flight may take to end once it is stopped (default: 30s)",
      durationMs,
    )
    .option("--metrics-port <port>", "serve /metrics of this process, /healthz and /readyz there", portNumber)
    .option("--metrics-host <address>", "where that listens; it asks for no token", "127.0.0.1")
    .action(async (options) => {
      const { work } = await import("../work.ts");
      setExitCode(await work(options));
    });
}
