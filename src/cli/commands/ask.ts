import type { Command } from "commander";
import { collect, commaList, durationMs, share, similarity } from "../option-values.ts";

/** `ask`: one question now. */
export function defineAsk(cli: Command, setExitCode: (code: number) => void): void {
  cli
    .command("ask")
    .description("Asks one question: of a route, or of several models side by side.")
    .argument("[prompt]", "the question, or - for stdin")
    .option("--task <name>", "by this task's route (default: the config's default task)")
    .option("--model <alias>", "by this model: an alias, or TIER/ID such as ollama/qwen3:8b")
    .option("--models <aliases>", "of these models at once, by commas; shown side by side as they answer", commaList)
    .option("--consensus <share>", "what the models agree on, where so many do: 0.66", share)
    .option("--economy", "ask no more models than the outcome needs, one after the other where need be", false)
    .option("--judge <alias>", "says which free texts mean the same, where they differ in their words")
    .option(
      "--similarity <alias=share>",
      "instead of a judge: texts mean the same whose embeddings by this model are so alike: local.embeddings=0.9",
      similarity,
    )
    .option("--escalate <alias>", "decides where the models do not agree")
    .option("--as <model=prompt>", "a prompt of its own for one of the models; may be repeated", collect, [])
    .option("--file <path>", "the prompt, or what follows it, is this file's text; - for stdin")
    .option("--system <text>", "system prompt")
    .option("--private", "the question may go to local tiers only", false)
    .option("--schema <file>", "JSON schema that the answer must fit")
    .option("--choices <texts>", "the answer is one of these, by commas", commaList)
    .option("--base-url <url>", "an OpenAI-compatible server that needs no config; with --model ID")
    .option(
      "--timeout <duration>",
      "give up on models that have not answered by then (default: 5m)",
      durationMs,
      300_000,
    )
    .option("--config <file>", "models.json to use (else PROMPTFLEET_CONFIG, ./promptfleet.json, the packaged one)")
    .option("--fleet <name>", "fleet to join on a shared Redis")
    .option("--redis <url>", "a Redis to share with others (else REDIS_URL, else an embedded one)")
    .option("--data-dir <dir>", "where the embedded Redis lives (else PROMPTFLEET_DATA_DIR, else one per user)")
    .option("--json", "one JSON object on stdout", false)
    .action(async (prompt: string | undefined, options) => {
      const { ask } = await import("../ask.ts");
      setExitCode(await ask(prompt, options));
    });
}
