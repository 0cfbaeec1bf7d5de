#!/usr/bin/env -S node --max-semi-space-size=16 --min-semi-space-size=16 --invocation-count-for-turbofan=20000
import { readFileSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { setFlagsFromString } from "node:v8";
import { Command, CommanderError } from "commander";
import { defineAsk } from "./cli/commands/ask.ts";
import { defineClients } from "./cli/commands/clients.ts";
import { defineInspect } from "./cli/commands/inspect.ts";
import { defineMcp } from "./cli/commands/mcp.ts";
import { defineRun } from "./cli/commands/run.ts";
import { defineServe } from "./cli/commands/serve.ts";
import { defineWork } from "./cli/commands/work.ts";
import { messageOf, UserError } from "./job/errors.ts";

/** The program: parses, loads a command's file when it is called for, and is the only place that sets an exit code. */
function program(setExitCode: (code: number) => void): Command {
  const version = JSON.parse(readFileSync(new URL(packageJson(), import.meta.url), "utf8")).version as string;
  const cli = new Command("promptfleet")
    .description("A batch fleet for LLM prompts: a pile of prompts in, a pile of answers out, each exactly once.")
    .version(version)
    .showSuggestionAfterError()
    .exitOverride();

  defineRun(cli, setExitCode);
  defineAsk(cli, setExitCode);
  defineServe(cli, setExitCode);
  defineClients(cli, setExitCode);
  defineWork(cli, setExitCode);
  defineMcp(cli, setExitCode);
  defineInspect(cli, setExitCode);
  return cli;
}

/** package.json lies one folder up from src/, two up from dist/src/. */
function packageJson(): string {
  return import.meta.url.endsWith(".ts") ? "../package.json" : "../../package.json";
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
  // Whatever still holds the event loop (a hung socket) must not hold the user, nor must the taking down of a heap that
  // ends with the process.
  setTimeout(() => process.exit(exitCode), 2_000);
  await Promise.all([process.stdout, process.stderr].map(flushed));
  process.exit(exitCode);
}

/** What has been written is with whoever reads it, or nobody reads any more. */
async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0 || stream.destroyed) return;
  await new Promise<void>((resolve) => void stream.write("", () => resolve()));
}

/** What the disk or the user's rights refuse is no error of the program, wherever it shows. */
const refusedByTheSystem = [
  ...["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "EIO", "EMFILE", "ENFILE"],
  ...["ENOTCONN", "ESTALE", "ENODEV", "ENXIO"],
];

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
