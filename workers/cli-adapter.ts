import { availableParallelism } from "node:os";
import type { Provider } from "../src/config/config.ts";
import { type Environment, environmentOfProgram, findExecutable } from "../src/config/environment.ts";
import type { Outcome } from "../src/job/outcome.ts";
import type { Adapter, BackendCall, Endpoint, EndpointOptions, Probe } from "./adapter.ts";
import { inWordsIfRefused } from "./answer-form.ts";
import { quotable } from "./backend-words.ts";
import { type CliPrompt, cliPrompt, fitsArgument } from "./cli-prompt.ts";
import { refuseOmissions } from "./plain-request.ts";
import type { Failure } from "./response.ts";
import { type ProgramEnd, runProgram } from "./run-program.ts";

/** How one call is put to a program. */
export interface Command {
  readonly args: readonly string[];
  /** On its standard input, where no shell and no list of processes sees it, and where there is room for it. */
  readonly input: string;
  /** Beside what it is given of the surroundings. */
  readonly variables: Readonly<Record<string, string>>;
}

export type Exited = Extract<ProgramEnd, { kind: "exited" }>;

/** In what command-line programs differ. */
export interface CliProgram {
  readonly provider: Provider;
  /** Its name on PATH. */
  readonly name: string;
  /** The options of a row that it can take, by the names of flat rows and of OpenAI bodies. */
  takes(call: BackendCall): readonly string[];
  /** It can be told a schema that its answer must fit. */
  readonly takesSchema: boolean;
  /** Variables of the surroundings that it is given for a model beside those of every program. */
  surroundings(model: string): readonly string[];
  command(prompt: CliPrompt, call: BackendCall, apiKey: string | undefined): Command;
  /** What its exit, its output and its words mean. @param quote makes words fit for a message. */
  read(exited: Exited, call: BackendCall, quote: (words: string) => string): Outcome;
  /** A run without cost that shows that the program works, and the models it has. */
  readonly probe: Omit<Command, "input"> & { models(stdout: string): readonly string[] };
}

const probeTimeoutMs = 10_000;
/** Of a program that is there, but not what the system can run, or whose interpreter is missing. */
const cannotRunCodes: readonly number[] = [126, 127];

/**
 * An adapter for a program that is started anew for every call.
 * @param environment instead of this process' own, for tests.
 */
export function cliAdapter(program: CliProgram, environment?: Environment): Adapter {
  return {
    provider: program.provider,
    // Each call is a process that works for itself for some tenths of a second before it waits.
    defaultConcurrency: availableParallelism(),
    hasFixedConcurrency: true,
    needsBaseUrl: false,
    connect: (options) => connect(program, options, environment),
  };
}

function connect(program: CliProgram, options: EndpointOptions, environment: Environment | undefined): Endpoint {
  const { name } = program;
  const closing = new AbortController();
  const running = new Set<Promise<unknown>>();

  function run(command: Command, model: string, signal: AbortSignal, timeoutMs: number): Promise<ProgramEnd> {
    const file = findExecutable(name, environment);
    if (file === undefined) return Promise.resolve({ kind: "not-started", code: "ENOENT" });
    const ended = runProgram({
      file,
      args: command.args,
      environment: { ...environmentOfProgram(program.surroundings(model), environment), ...command.variables },
      input: command.input,
      signal: AbortSignal.any([signal, closing.signal]),
      timeoutMs,
    });
    running.add(ended);
    void ended.then(() => running.delete(ended));
    return ended;
  }

  return {
    call: inWordsIfRefused(async (call) => {
      // Whatever the config says: the program sends prompts to a provider of its own choosing.
      if (call.private) {
        return {
          kind: "refused-by-policy",
          message: `a private row may not be given to ${name}, which is never local`,
        };
      }
      const asked = program.takesSchema ? call : { ...call, formInWords: true };
      const prompt = cliPrompt(asked, program.takes(call));
      if ("kind" in prompt) return prompt;
      const refusal = refuseOmissions(call, prompt);
      if (refusal !== undefined) return refusal;
      const command = program.command(prompt, call, options.apiKey);
      if (!command.args.every(fitsArgument)) {
        return {
          kind: "rejected",
          message: `${name} cannot be told this: its model or schema does not fit an argument`,
        };
      }
      const end = await run(command, call.model, call.signal, call.timeoutMs);
      const quote = (words: string): string => quotable(words, call.request, options.apiKey);
      if (end.kind !== "exited") return failureOf(end, name, call.timeoutMs, quote);
      if (cannotRunCodes.includes(end.code)) {
        return { kind: "unreachable", message: `${name} cannot be run: ${quote(end.stderr)}` };
      }
      return withOmitted(program.read(end, call, quote), prompt);
    }),
    async probe(signal): Promise<Probe> {
      const command = { ...program.probe, input: "" };
      const end = await run(command, "", signal, probeTimeoutMs);
      const quote = (words: string): string => quotable(words, undefined, options.apiKey);
      if (end.kind !== "exited") return { usable: false, outcome: failureOf(end, name, probeTimeoutMs, quote) };
      if (end.code === 0) return { usable: true, models: program.probe.models(end.stdout) };
      const message = `${name} ${program.probe.args.join(" ")} fails: ${quote(end.stderr)}`;
      return { usable: false, outcome: { kind: "unreachable", message } };
    },
    async close() {
      closing.abort();
      await Promise.all(running);
    },
  };
}

function withOmitted(outcome: Outcome, { omittedOptions }: CliPrompt): Outcome {
  if (outcome.kind !== "answered" || omittedOptions.length === 0) return outcome;
  return { ...outcome, answer: { ...outcome.answer, omittedOptions } };
}

/** Every end but an exit, which the program's own words explain. */
function failureOf(
  end: Exclude<ProgramEnd, Exited>,
  name: string,
  timeoutMs: number,
  quote: (words: string) => string,
): Failure {
  switch (end.kind) {
    case "not-started": {
      const why = end.code === "ENOENT" ? "not found on PATH" : `cannot be started (${end.code})`;
      return { kind: "unreachable", message: `${name} ${why}` };
    }
    case "timed-out":
      return { kind: "timed-out", message: `${name} gave no whole answer within ${timeoutMs} ms and was ended` };
    case "cancelled":
      return { kind: "cancelled", message: "stopped by this side" };
    case "too-much-output":
      return {
        kind: "invalid-answer",
        message: `${name} wrote more than ${Math.floor(end.bytes / 1024 ** 2)} MB and was ended`,
      };
    case "killed": {
      const words = quote(end.stderr);
      return { kind: "server-error", message: `${name} was ended by ${end.signal}${words === "" ? "" : `: ${words}`}` };
    }
  }
}
