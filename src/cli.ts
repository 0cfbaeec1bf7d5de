#!/usr/bin/env -S node --max-semi-space-size=16 --min-semi-space-size=16 --invocation-count-for-turbofan=20000
import { readFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { setFlagsFromString } from "node:v8";
import { Command, CommanderError, InvalidArgumentError } from "commander";
import { collectConcurrency, commaList, durationMs, rowCount } from "./cli/option-values.ts";
import { messageOf, UserError } from "./job/errors.ts";

/** The program: parses, loads a command's file when it is called for, and is the only place that sets an exit code. */
function program(setExitCode: (code: number) => void): Command {
  const version = JSON.parse(readFileSync(new URL(packageJson(), import.meta.url), "utf8")).version as string;
  const cli = new Command("promptfleet")
    .description("A batch fleet for LLM prompts: a pile of prompts in, a pile of answers out, each exactly once.")
    .version(version)
    .showSuggestionAfterError()
    .exitOverride();

  cli
    .command("run")
    .description("Answers every row of INPUT and writes OUTPUT in input order; running it again resumes.")
    .argument("<input>", ".jsonl, .jsonl.gz, .csv, a folder or glob (one row a file), or - for stdin")
    .requiredOption("-o, --output <file>", "where the answers go: .jsonl, .jsonl.gz, .csv, or - for stdout")
    .option("--config <file>", "models.json to use (else PROMPTFLEET_CONFIG, ./promptfleet.json, the packaged one)")
    .option("--replace-config", "announce a changed definition of a tier to the fleet", false)
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
    .option("--concurrency <tier=n>", "calls at once per endpoint of a tier; may be repeated", collectConcurrency, {})
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
    .option("--format <format>", "flat or openai; default: as the input", oneOf("flat", "openai"))
    .option("--redis <url>", "a Redis to share with others (else REDIS_URL, else an embedded one)")
    .option("--data-dir <dir>", "where the embedded Redis lives (else PROMPTFLEET_DATA_DIR, else one per user)")
    .option("--no-pools", "feed and collect only; other processes do the asking")
    .option("--json", "progress and summary as JSON lines on stdout", false)
    .action(async (input: string, options) => {
      const { run } = await import("./cli/run.ts");
      setExitCode(await run(input, options));
    });

  cli
    .command("plan")
    .description("What a run of INPUT would do: rows by task and model, tokens, cost, time, what is missing.")
    .argument("<input>", "as for run")
    .option("-o, --output <file>", "OUTPUT of that run: counts only what is left, and learns from the answers there")
    .option("--config <file>", "models.json to use")
    .option("--fleet <name>", "fleet of that run")
    .option("--task <name>", "task of rows that name neither task nor model")
    .option("--model <alias>", "model of rows that name none")
    .option("--force-model <alias>", "model of all rows, whatever they name")
    .option("--base-url <url>", "an OpenAI-compatible server that needs no config; with --model ID")
    .option("--prompt <template>", "makes the prompt from columns")
    .option("--prompt-file <file>", "the same from a file")
    .option("--system <text>", "system prompt of rows that have none")
    .option("--schema <file>", "JSON schema that every answer must fit, for rows that bring none")
    .option("--choices <texts>", "every answer is one of these, by commas, for rows that bring none", commaList)
    .option("--concurrency <tier=n>", "calls at once per endpoint of a tier; may be repeated", collectConcurrency, {})
    .option("--sample <rows>", "send so many rows, kept for the run to OUTPUT, and go by their answers", rowCount)
    .option("--wait", "plan for tiers that have no key or adapter here, too", false)
    .option("--redis <url>", "the fleet's Redis, which knows how fast models answer (else REDIS_URL)")
    .option("--data-dir <dir>", "where the embedded Redis lives (else PROMPTFLEET_DATA_DIR, else one per user)")
    .option("--json", "one JSON object on stdout", false)
    .action(async (input: string, options) => {
      const { plan } = await import("./cli/plan.ts");
      setExitCode(await plan(input, options));
    });

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
    .action(async (options) => {
      const { work } = await import("./cli/work.ts");
      setExitCode(await work(options));
    });

  const audit = cli
    .command("audit")
    .description("Who was sent what: one line for each call that left, from the audit of the data directory.")
    .option("--batch <id>", "of one batch")
    .option("--row <index>", "of one row, by its index in the output", rowIndex)
    .option("--model <name>", "to one model: an alias or a provider's id")
    .option("--tier <name>", "to one tier")
    .option("--private", "of private rows")
    .option("--location <location>", "to local or to cloud tiers", oneOf("local", "cloud"))
    .option("--since <time>", "from 2026-11-24, 2026-11-24T09:00Z, or 2h or 3d ago")
    .option("--data-dir <dir>", "the data directory (else PROMPTFLEET_DATA_DIR, else one per user)")
    .option("--json", "the records as JSON lines", false)
    .action(async (options) => {
      const { audit } = await import("./cli/audit.ts");
      setExitCode(await audit(options));
    });
  audit
    .command("verify")
    .description("Finds whatever was edited, cut off or removed; exits 0 when the audit is whole, else 2.")
    .option("--head <head>", 'an "audit_head" of a run\'s summary that must be there; may be repeated', collect, [])
    .option("--config <file>", "models.json that names the fleet")
    .option("--fleet <name>", "fleet whose Redis knows where chains end")
    .option("--redis <url>", "the fleet's Redis (else REDIS_URL, else the embedded one)")
    .option("--data-dir <dir>", "the data directory (else PROMPTFLEET_DATA_DIR, else one per user)")
    .option("--json", "the verdict as JSON", false)
    .action(async (_options, command: Command) => {
      const { auditVerify } = await import("./cli/audit-verify.ts");
      setExitCode(await auditVerify(command.optsWithGlobals()));
    });

  const reads = (command: Command): Command =>
    command
      .option("--config <file>", "models.json to use (else PROMPTFLEET_CONFIG, ./promptfleet.json, the packaged one)")
      .option("--fleet <name>", "fleet to look at")
      .option("--redis <url>", "the fleet's Redis (else REDIS_URL, else the embedded one while it runs)")
      .option("--data-dir <dir>", "where the embedded Redis lives (else PROMPTFLEET_DATA_DIR, else one per user)")
      .option("--json", "one JSON object on stdout", false);

  reads(cli.command("doctor"))
    .description(
      "Says of every tier, Redis and this machine what is wrong and what mends it; 2 when there is a problem.",
    )
    .option("--probe", "also time a call of one token at every tier; may cost a fraction of a cent", false)
    .action(async (options) => {
      const { doctor } = await import("./cli/doctor.ts");
      setExitCode(await doctor(options));
    });

  reads(cli.command("models"))
    .description("The models of the config, and whether each can be used now.")
    .option("--why <task>", "the models of a task in the order in which rows get them, and why")
    .action(async (options) => {
      const { models } = await import("./cli/models.ts");
      setExitCode(await models(options));
    });

  cli
    .command("init")
    .description("Writes ./promptfleet.json from what is found: servers on this machine, keys.")
    .option("--server <url>", "look here instead of at the usual ports of this machine; may be repeated", collect, [])
    .option("--force", "overwrite a promptfleet.json that is there", false)
    .option("--json", "one JSON object on stdout", false)
    .action(async (options) => {
      const { init } = await import("./cli/init.ts");
      setExitCode(await init(options));
    });

  return cli;
}

/** package.json lies one folder up from src/, two up from dist/src/. */
function packageJson(): string {
  return import.meta.url.endsWith(".ts") ? "../package.json" : "../../package.json";
}

function rowIndex(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("expected the index of a row, from 0");
  return Number(text);
}

const collect = (text: string, soFar: readonly string[]): readonly string[] => [...soFar, text];

function dollars(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError("expected US dollars, 0 or more, for example 2.50");
  return Number(text);
}

function oneOf(...allowed: string[]) {
  return (text: string): string => {
    if (!allowed.includes(text)) throw new InvalidArgumentError(`expected ${allowed.join(" or ")}`);
    return text;
  };
}

async function main(): Promise<void> {
  enableCompileCache();
  // Little of what a run makes lives long: without this, V8 lets garbage grow to several times the 30 MB in use before
  // it looks; the first line above bounds the young part for the same reason. Costs no CPU that we could measure.
  setFlagsFromString("--heap-growing-percent=100");
  let exitCode = 0;
  try {
    await program((code) => {
      exitCode = code;
    }).parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has printed its message; help and version are no errors.
      exitCode = error.exitCode === 0 ? 0 : 1;
    } else {
      process.stderr.write(`promptfleet: ${explain(error)}\n`);
      exitCode = 1;
    }
  }
  process.exitCode = exitCode;
  // Whatever still holds the event loop (a hung socket) must not hold the user.
  setTimeout(() => process.exit(exitCode), 2_000).unref();
}

/** What the disk or the user's rights refuse is no error of the program, wherever it shows. */
const refusedByTheSystem = ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EIO", "EMFILE", "ENFILE"];

function explain(error: unknown): string {
  if (error instanceof UserError) return error.message;
  const { code, path } = (error ?? {}) as NodeJS.ErrnoException;
  if (code !== undefined && refusedByTheSystem.includes(code)) {
    const where = path === undefined || messageOf(error).includes(path) ? "" : ` (${path})`;
    return `${messageOf(error)}${where}; mend that, then run the same command again`;
  }
  const detail = error instanceof Error && error.stack !== undefined ? error.stack : messageOf(error);
  return `this is an error in promptfleet itself, please report it: ${detail}`;
}

await main();
