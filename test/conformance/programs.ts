import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Endpoint, EndpointOptions } from "../../workers/adapter.ts";
import { aichatProgram } from "../../workers/aichat.ts";
import { claudeProgram } from "../../workers/claude-cli.ts";
import { type CliProgram, cliAdapter } from "../../workers/cli-adapter.ts";
import type { adapters } from "../../workers/index.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { apiKey } from "./dialects.ts";

/** How one command-line program words what all of them say. */
export interface ProgramDialect {
  readonly program: CliProgram;
  readonly model: string;
  /** What it prints for an answer. */
  answer(text: string): string;
  /** The variable in which it wants the key. */
  readonly keyVariable: string;
  /** The system's text among its arguments. */
  systemIn(args: string): string | undefined;
}

export const programs: Readonly<Partial<Record<keyof typeof adapters, ProgramDialect>>> = {
  aichat: {
    program: aichatProgram,
    model: "openai:gpt-4o",
    answer: (text) => `${text}\n`,
    keyVariable: "OPENAI_API_KEY",
    systemIn: (args) => /^--prompt=---\n---\n([\s\S]*)\n$/m.exec(args)?.[1],
  },
  "claude-cli": {
    program: claudeProgram,
    model: "claude-haiku-4-5",
    answer: (result) => JSON.stringify({ type: "result", is_error: false, num_turns: 1, result }),
    keyVariable: "ANTHROPIC_API_KEY",
    systemIn: (args) => /^--system-prompt=([\s\S]*)\n$/m.exec(args)?.[1],
  },
};

/** A SIMULATED program: a shell script under the real one's name, alone on PATH but for the system's tools. */
export interface SimulatedProgram {
  readonly endpoint: Endpoint;
  /** What the script wrote into this file of its HOME. */
  file(name: string): string;
  answer(text: string): void;
}

/** @param script after which `$HOME/answer` is what the program would print. */
export function simulateProgram(
  dialect: ProgramDialect,
  script: string,
  options: Partial<EndpointOptions> = {},
  firstLine = "#!/bin/sh",
): SimulatedProgram {
  const folder = temporaryFolder();
  const executable = join(folder, dialect.program.name);
  writeFileSync(executable, `${firstLine}\n${script}\n`);
  chmodSync(executable, 0o755);
  const environment = { PATH: `${folder}:/usr/bin:/bin`, HOME: folder, REDIS_URL: "redis://secret@host", LANG: "C" };
  const answer = (text: string): void => writeFileSync(join(folder, "answer"), dialect.answer(text));
  answer("Hello 🐈");
  return {
    endpoint: cliAdapter(dialect.program, environment).connect({
      tier: "some-tier",
      baseUrl: "",
      apiKey,
      location: "cloud",
      trustedHosts: [],
      concurrency: 2,
      ...options,
    }),
    file: (name) => readFileSync(join(folder, name), "utf8"),
    answer,
  };
}
