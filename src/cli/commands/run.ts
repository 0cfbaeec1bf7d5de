import type { Command } from "commander";
import {
  collectConcurrency,
  commaList,
  dollars,
  durationMs,
  oneOf,
  portOfPages,
  rowCount,
  share,
} from "../option-values.ts";

/** `run` and `plan`, which take the same options where these decide what is asked. */
export function defineRun(cli: Command, setExitCode: (code: number) => void): void {
  const asks = (command: Command): Command =>
    command
      .argument("<input>", ".jsonl, .jsonl.gz, .csv, a folder or glob (one row a file), or - for stdin")
      .option("--config <file>", "models.json to use (else PROMPTFLEET_CONFIG, ./promptfleet.json, the packaged one)")
      .option("--fleet <name>", "fleet to join on a shared Redis")
      .option("--task <name>", "task of rows that name neither task nor model")
      .option("--model <alias>", "model of rows that name none: an alias, or TIER/ID such as ollama/qwen3:8b")
      .option("--force-model <alias>", "model of all rows, whatever they name")
      .option("--base-url <url>", "an OpenAI-compatible server that needs no config; with --model ID")
      .option("--prompt <template>", "makes the prompt from columns: 'Summarise: {{text}}'")
      .option("--prompt-file <file>", "the same from a file")
      .option("--system <text>", "system prompt of rows that have none")
      .option("--schema <file>", "JSON schema that every answer must fit, for rows that bring none")
      .option("--choices <texts>", "every answer is one of these, by commas, for rows that bring none", commaList)
      .option("--consensus-models <aliases>", "put every row that names no model to these, by commas", commaList)
      .option("--consensus <share>", "share of them that must agree (default: 0.66)", share)
      .option("--concurrency <tier=n>", "calls at once per endpoint of a tier; may be repeated", collectConcurrency, {})
      .option("--redis <url>", "a Redis to share with others (else REDIS_URL, else an embedded one)")
      .option("--data-dir <dir>", "where the embedded Redis lives (else PROMPTFLEET_DATA_DIR, else one per user)");

  asks(cli.command("run"))
    .description("Answers every row of INPUT and writes OUTPUT in input order; running it again resumes.")
    .requiredOption("-o, --output <file>", "where the answers go: .jsonl, .jsonl.gz, .csv, or - for stdout")
    .option("--replace-config", "announce a changed definition of a tier to the fleet", false)
    .option(
      "--deadline <duration>",
      "end what is not answered this long after the first start: 90s, 30m, 2h",
      durationMs,
    )
    .option("--budget <usd>", "spend no more than so many US dollars, then stop resumable with exit code 3", dollars)
    .option("--pull", "have an Ollama server fetch models that it lacks", false)
    .option("--wait", "wait for tiers that have no key or adapter here instead of refusing", false)
    .option("--retry-failed", "ask the rows again that failed", false)
    .option("--fresh", "start over, whatever is there", false)
    .option("--strict", "fail a row whose options its model cannot take, instead of leaving them out", false)
    .option("--confirm-above <usd>", "ask on a terminal before a run that may cost more (default: 1)", dollars, 1)
    .option(
      "--format <format>",
      "flat, openai or anthropic; default: as the input",
      oneOf("flat", "openai", "anthropic"),
    )
    .option("--serve [port]", "show the run in a browser, on 127.0.0.1 (default port: 8700): --serve=8701", portOfPages)
    .option("--no-pools", "feed and collect only; other processes do the asking")
    .option("--json", "progress and summary as JSON lines on stdout", false)
    .action(async (input: string, options) => {
      const { run } = await import("../run.ts");
      setExitCode(await run(input, options));
    });

  asks(cli.command("plan"))
    .description("What a run of INPUT would do: rows by task and model, tokens, cost, time, what is missing.")
    .option("-o, --output <file>", "OUTPUT of that run: counts only what is left, and learns from the answers there")
    .option("--sample <rows>", "send so many rows, kept for the run to OUTPUT, and go by their answers", rowCount)
    .option("--wait", "plan for tiers that have no key or adapter here, too", false)
    .option("--json", "one JSON object on stdout", false)
    .action(async (input: string, options) => {
      const { plan } = await import("../plan.ts");
      setExitCode(await plan(input, options));
    });
}
