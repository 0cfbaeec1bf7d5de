import type { BackendCall } from "./adapter.ts";
import { type PlainMessage, plainRequest } from "./plain-request.ts";
import type { Failure } from "./response.ts";

/** A request as a command-line program can take it: one text, and one for the system. */
export interface CliPrompt {
  readonly system: string;
  readonly text: string;
  readonly temperature: number | undefined;
  readonly topP: number | undefined;
  /** What the row asks for and the program has no option for. */
  readonly omittedOptions: readonly string[];
}

/** @param takes the options that the program has, by the names of flat rows and of OpenAI bodies. */
export function cliPrompt(call: BackendCall, takes: readonly string[]): CliPrompt | Failure {
  const { messages, temperature, topP, omittedOptions } = plainRequest(call);
  if (messages.some(({ imageUrls }) => imageUrls.length > 0)) {
    return { kind: "rejected", message: `${call.model} takes no images through a command-line program` };
  }
  const system = messages.filter(({ role }) => role === "system");
  const talk = messages.filter(({ role }) => role !== "system");
  const text = talk.length === 1 && talk[0]?.role === "user" ? talk[0].text : transcript(talk);
  if (text.trim() === "") return { kind: "rejected", message: "the prompt is empty" };
  const prompt: CliPrompt = {
    system: system.map((message) => message.text).join("\n\n"),
    text,
    temperature,
    topP,
    omittedOptions: [...givenOptions(call), ...omittedOptions].filter((name) => !takes.includes(name)),
  };
  return fitsArgument(prompt.system) ? prompt : systemInText(prompt);
}

/** The most that is given as an argument: Linux takes 128 KB for one. */
const longestArgumentBytes = 100_000;

/** Whether a text can be an argument of a program. */
export function fitsArgument(text: string): boolean {
  return !text.includes("\0") && Buffer.byteLength(text) <= longestArgumentBytes;
}

/** With the system's text before the prompt's, for one that the program cannot be told as such. */
export function systemInText(prompt: CliPrompt): CliPrompt {
  return { ...prompt, system: "", text: `${prompt.system}\n\n${prompt.text}` };
}

/** A conversation as one text: these programs have no place for the turns of others. */
function transcript(messages: readonly PlainMessage[]): string {
  return messages.map(({ role, text }) => `[${role}]\n${text}`).join("\n\n");
}

/** Those that the row itself gives; a model's defaults are no wish of the row. */
function givenOptions({ request }: BackendCall): string[] {
  const body = request.openaiBody ?? {};
  const given = {
    max_tokens: request.maxOutputTokens ?? body.max_completion_tokens ?? body.max_tokens,
    temperature: request.temperature ?? body.temperature,
    top_p: request.topP ?? body.top_p,
    stop: request.stop ?? body.stop,
    seed: request.seed ?? body.seed,
  };
  return Object.entries(given).flatMap(([name, value]) => (value === undefined || value === null ? [] : [name]));
}
