import { classifyAichatError } from "./aichat-errors.ts";
import { type CliProgram, cliAdapter } from "./cli-adapter.ts";
import { type CliPrompt, systemInText } from "./cli-prompt.ts";

/** Where a user keeps its config, if not in the usual place. */
const ownVariables = ["AICHAT_CONFIG_DIR", "AICHAT_CONFIG_FILE", "AICHAT_ENV_FILE"];

/** Nothing kept on disk, no tools, no prelude of the user's, no colours: whatever the user's config says. */
const quietly = {
  AICHAT_SAVE: "false",
  AICHAT_SAVE_SESSION: "false",
  AICHAT_FUNCTION_CALLING: "false",
  AICHAT_CMD_PRELUDE: "",
  NO_COLOR: "1",
};

/**
 * The `aichat` program, which knows many providers; a model is `PROVIDER:MODEL`. Told of version 0.30.0. It reports no
 * usage: an answer has 0 tokens, and costs nothing as far as can be told.
 */
export const aichatProgram: CliProgram = {
  provider: "aichat",
  name: "aichat",
  takes: () => ["temperature", "top_p"],
  takesSchema: false,
  surroundings: (model) => [...ownVariables, `${clientOf(model)}_API_BASE`],
  command(prompt, call, apiKey) {
    const { system, text, ...options } = isPlain(prompt.system) ? prompt : systemInText(prompt);
    const role = roleOf(system, options);
    return {
      args: ["-S", `--model=${call.model}`, ...(role === undefined ? [] : [`--prompt=${role}`])],
      input: text,
      variables: {
        ...quietly,
        // Without a config file it knows this provider only.
        AICHAT_PROVIDER: call.model.split(":")[0] ?? "",
        ...(apiKey === undefined ? {} : { [`${clientOf(call.model)}_API_KEY`]: apiKey }),
      },
    };
  },
  read({ code, stdout, stderr }, call, quote) {
    if (code !== 0) return classifyAichatError(code, stderr, quote);
    if (stdout === "") return { kind: "invalid-answer", message: "aichat printed nothing" };
    return {
      kind: "answered",
      answer: {
        // The end of the line is its own.
        text: stdout.replace(/\r?\n$/, ""),
        finishReason: "stop",
        usage: { inputTokens: 0, outputTokens: 0, cachedTokens: 0 },
        model: call.model,
      },
    };
  },
  probe: {
    args: ["--list-models"],
    // Without a config file it does not even start without a provider: any will do.
    variables: { ...quietly, AICHAT_PROVIDER: "openai" },
    models: (stdout) => stdout.split("\n").filter((line) => line.includes(":")),
  },
};

export const aichat = cliAdapter(aichatProgram);

/** A provider as it stands in the names of its variables. */
function clientOf(model: string): string {
  return (model.split(":")[0] ?? "").toUpperCase();
}

/** False for a text of which aichat would make something else: it has places for the prompt, for examples, for facts. */
function isPlain(system: string): boolean {
  return !/__INPUT__|### (IN|OUT)PUT:|\{\{__\w+__\}\}/.test(system);
}

/** A role as aichat reads it: what stands between the dashes is its settings, which the text itself cannot begin then. */
function roleOf(system: string, { temperature, topP }: Pick<CliPrompt, "temperature" | "topP">): string | undefined {
  const settings = [
    ...(temperature === undefined ? [] : [`temperature: ${temperature}`]),
    ...(topP === undefined ? [] : [`top_p: ${topP}`]),
  ];
  if (system === "" && settings.length === 0) return undefined;
  return ["---", ...settings, "---", system].join("\n");
}
